// Source, flow and sink of every graph with context come from either of two copies; each claim ends once.
import assert from "node:assert/strict";
import * as streams from "@millrace/streams";
import * as flows from "flows";

const copies = [streams, flows.streams];
const even = (n) => n % 2 === 0;
const later = async (n) => n + 1;
const of = (X) => X.FlowWithContext.of();

const steps = {
  map: (X) => of(X).map((n) => n + 1),
  filter: (X) => of(X).filter(even),
  mapConcat: (X) => of(X).mapConcat((n) => (n % 3 === 0 ? [] : new Set([n, n + 1]))),
  grouped: (X) => of(X).grouped(3),
  batch: (X) =>
    of(X)
      .batch(
        3,
        (n) => [n],
        (batch, n) => [...batch, n],
      )
      .mapConcat((batch) => batch),
  mapAsyncUnordered: (X) => of(X).mapAsyncUnordered(4, later),
  groupBy: (X) => of(X).groupBy(2, even).take(3).mergeSubstreams(),
  broadcast: (X, Y) => of(X).broadcast([of(Y).map((n) => -n), of(X)], Y.Join.zip()),
  partition: (X, Y) => of(X).partition([of(Y).take(2), of(X)], (n) => n % 2, Y.Join.merge()),
  alsoTo: (X, Y) => of(X).alsoTo(of(Y).map((n) => n + 1)),
  via: (X, Y) =>
    of(X)
      .via(of(Y).mapAsync(2, later))
      .map((n) => n * 2),
  supervised: (X, Y) =>
    of(X)
      .mapAsync(2, async (n) => {
        if (n === 3) throw new Error("three");
        return n;
      })
      .withAttributes({ supervision: Y.Supervision.resumingDecider }),
};

const run = async (A, flow, B) => {
  const open = new Map();
  const cells = Array.from({ length: 12 }, (_, n) => {
    open.set(n, 1);
    const share = (more) => open.set(n, open.get(n) + more);
    return { value: n, claim: { share, at() {}, end: () => share(-1) } };
  });
  const output = [];
  const sink = B.Sink.forEach(({ value, claim }) => {
    output.push(JSON.stringify(value));
    claim.end("processed");
  });
  const source = A.SourceWithContext.fromSource(A.Source.from(cells).withAttributes({ chunkElements: 4 }));
  await source
    .via(flow)
    .toMat({ withContext: { sink, attributes: {} } }, A.Keep.right)
    .run();
  for (const [n, shares] of open) assert.equal(shares, 0, `claim ${n}`);
  return output.sort();
};

for (const [name, step] of Object.entries(steps)) {
  const expected = await run(streams, step(streams, streams), streams);
  for (const A of copies) {
    for (const X of copies) {
      for (const B of copies) {
        for (const Y of copies) assert.deepEqual(await run(A, step(X, Y), B), expected, name);
      }
    }
  }
}
