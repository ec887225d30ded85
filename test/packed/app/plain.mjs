// Source, flow and sink of every graph come from either of two copies.
import assert from "node:assert/strict";
import * as streams from "@millrace/streams";
import * as stage from "@millrace/streams/stage";
import * as flows from "flows";

const copies = [streams, flows.streams];
assert.notEqual(streams.Source, flows.streams.Source);

const even = (n) => n % 2 === 0;
const later = async (n) => n + 1;

/** What is put behind a source; `X` is the copy of the flow, `Y` the other one. */
const steps = {
  map: (X) => X.Flow.of().map((n) => n + 1),
  filter: (X) => X.Flow.of().filter(even),
  mapConcat: (X) => X.Flow.of().mapConcat((n) => [n, n]),
  grouped: (X) => X.Flow.of().grouped(3),
  take: (X) => X.Flow.of().take(5),
  scan: (X) => X.Flow.of().scan(0, (sum, n) => sum + n),
  mapAsync: (X) => X.Flow.of().mapAsync(4, later),
  mapAsyncPartitioned: (X) => X.Flow.of().mapAsyncPartitioned(4, even, later),
  groupedWithin: (X) => X.Flow.of().groupedWithin(4, 1000),
  buffer: (X) => X.Flow.of().buffer(3),
  groupBy: (X) =>
    X.Flow.of()
      .groupBy(2, even)
      .map((n) => n + 1)
      .mergeSubstreams(),
  concat: (X, Y) => X.Flow.of().concat(Y.Source.from([7, 8])),
  merge: (X, Y) => X.Flow.of().merge(Y.Source.from([7, 8]).map((n) => n + 1)),
  zip: (X, Y) => X.Flow.of().zip(Y.Source.from([7, 8, 9])),
  via: (X, Y) =>
    X.Flow.of()
      .via(Y.Flow.of().map((n) => n + 1))
      .map((n) => n * 2),
  broadcast: (X, Y) => X.Flow.of().broadcast([Y.Flow.of().map((n) => -n), X.Flow.of()], Y.Join.zip()),
  partition: (X, Y) => X.Flow.of().partition([Y.Flow.of(), X.Flow.of()], (n) => n % 2, Y.Join.merge()),
  alsoTo: (X, Y) => X.Flow.of().alsoTo(Y.Sink.ignore),
  recover: (X) =>
    X.Flow.of()
      .map((n) => {
        if (n === 3) throw new Error("three");
        return n;
      })
      .recover(() => -1),
  killSwitch: (X) => X.Flow.of().viaMat(X.KillSwitches.single(), X.Keep.right),
  watchTermination: (X, Y) => X.Flow.of().watchTermination(Y.Keep.right),
  supervised: (X, Y) =>
    X.Flow.of()
      .map((n) => {
        if (n === 3) throw new Error("three");
        return n;
      })
      .withAttributes({ supervision: Y.Supervision.resumingDecider }),
};

const input = Array.from({ length: 20 }, (_, n) => n);
const inOrder = (elements) => elements.map((each) => JSON.stringify(each)).sort();

for (const [name, step] of Object.entries(steps)) {
  const graph = (A, X, Y, B) =>
    A.Source.from(input).withAttributes({ chunkElements: 4 }).via(step(X, Y)).runWith(B.Sink.toArray());
  const expected = inOrder(await graph(streams, streams, streams, streams));
  for (const A of copies) {
    for (const X of copies) {
      for (const B of copies) {
        for (const Y of copies) assert.deepEqual(inOrder(await graph(A, X, Y, B)), expected, name);
      }
    }
  }
}

// The runs of all copies are counted together.
const running = flows.streams.Source.queue(1).toMat(streams.Sink.ignore, streams.Keep.both).run();
assert.equal(stage.liveRuns(), 1);
assert.equal(flows.stage.liveRuns(), 1);
running[0].complete();
await running[1];

for await (const element of flows.streams.Source.from(streams.Source.single(1))) assert.equal(element, 1);

// Errors are known by either copy, and a subclass of the user's is not taken for its base.
class Mine extends streams.StreamError {}
const failure = await streams.Source.from(input)
  .via(
    flows.streams.Flow.of()
      .groupBy(1, (n) => n)
      .mergeSubstreams(),
  )
  .runWith(streams.Sink.ignore)
  .catch((error) => error);
assert.equal(failure.code, "TOO_MANY_SUBSTREAMS");
assert(failure instanceof streams.StreamError && failure instanceof flows.streams.StreamError);
assert(!(failure instanceof streams.InvariantViolation) && !(failure instanceof Mine));
assert(new Mine("INVALID_ARGUMENT", "mine") instanceof Mine);
assert(new streams.InvariantViolation("x") instanceof flows.streams.InvariantViolation);
assert(!(new Error("x") instanceof streams.StreamError) && !(undefined instanceof streams.StreamError));

// Nor is a bug in a stage of another copy supervised.
const bug = new flows.streams.InvariantViolation("bug");
const ending = streams.Source.from(input)
  .via(
    flows.streams.Flow.of().map(() => {
      throw bug;
    }),
  )
  .withAttributes({ supervision: streams.Supervision.resumingDecider })
  .runWith(streams.Sink.ignore);
assert.equal(await ending.catch((error) => error), bug);
