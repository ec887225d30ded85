// A graph with a part of a version that does not fit is refused, by whichever runs it, and before anything is read.
import assert from "node:assert/strict";
import * as streams from "@millrace/streams";

const name = process.argv[2];
const { streams: other } = await import(name);

let reads = 0;
const numbers = (X) =>
  X.Source.from({
    *[Symbol.iterator]() {
      reads += 1;
      yield 1;
    },
  });
const refused = (run) =>
  assert.throws(run, (error) => {
    assert.equal(error.code, "INCOMPATIBLE_COPIES");
    assert.match(error.message, /npm ls @millrace\/streams/);
    if (name === "future-flows")
      assert.match(error.message, /node_modules\/future-flows\/node_modules\/@millrace\/streams/);
    assert.match(error.message, /\/node_modules\/@millrace\/streams/);
    return true;
  });

refused(() =>
  numbers(streams)
    .via(other.Flow.of().map((n) => n))
    .runWith(streams.Sink.ignore),
);
refused(() => numbers(streams).runWith(other.Sink.ignore));
refused(() => numbers(streams).via(other.Flow.of()).to(streams.Sink.ignore).describe());
refused(() => streams.Source.single(1).merge(numbers(other)).runWith(streams.Sink.ignore));
refused(() =>
  streams.Source.single(1)
    .groupBy(2, (n) => n)
    .via(other.Flow.of())
    .mergeSubstreams()
    .runWith(streams.Sink.ignore),
);
assert.throws(
  () =>
    streams.SourceWithContext.fromSource(numbers(other))
      .via(streams.FlowWithContext.of())
      .toMat({ withContext: { sink: streams.Sink.ignore, attributes: {} } }, streams.Keep.right)
      .run(),
  { code: "INCOMPATIBLE_COPIES" },
);
if (name === "future-flows") {
  refused(() => numbers(other).via(streams.Flow.of()).to(streams.Sink.ignore).describe());
  refused(() => numbers(other).runWith(streams.Sink.ignore));
}
assert.equal(reads, 0);

// Each by itself goes on.
assert.deepEqual(await numbers(other).runWith(other.Sink.toArray()), [1]);
assert.deepEqual(await numbers(streams).runWith(streams.Sink.toArray()), [1]);
