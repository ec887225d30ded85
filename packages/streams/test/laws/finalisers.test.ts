import { Flow, Keep, KillSwitches, Sink, Source } from "@millrace/streams";
import { assertAllClosed, instrumented, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { unhandledRejections } from "../../../../test/support/unhandled.js";
import { asynchronousStep, type Step } from "../support/deterministic-operators.js";

type End = "complete" | "upstream fails" | "a stage fails" | "sink fails" | "sink cancels" | "loop left" | "killed";

const ENDS: readonly End[] = [
  "complete",
  "upstream fails",
  "a stage fails",
  "sink fails",
  "sink cancels",
  "loop left",
  "killed",
];

const FAILURES: readonly string[] = ["Error: upstream", "Error: boom", "Error: sink"];

const finalised = (index: number, ran: number[]): Flow<number, number> =>
  Flow.fromStage<number, number>({
    name: `finalised ${index}`,
    create(upstream, run) {
      run.onEnd(() => void ran.push(index));
      return upstream;
    },
  });

const throwingAt = (at: number): Flow<number, number> => {
  let seen = 0;
  return Flow.of<number>().map((n) => {
    seen += 1;
    if (seen > at) throw new Error("boom");
    return n;
  });
};

/** A source of 40 elements that counts how often it was opened and closed. */
const counted = (fails: boolean): { source: Source<number>; open: () => number } => {
  let open = 0;
  function* elements(): Iterable<number> {
    open += 1;
    try {
      for (let n = 0; n < 40; n++) yield n;
      if (fails) throw new Error("upstream");
    } finally {
      open -= 1;
    }
  }
  // Small chunks, or the elements would be exhausted, and so closed, by the first pull.
  const source = Source.from({ [Symbol.iterator]: () => elements()[Symbol.iterator]() });
  return { source: source.withAttributes({ chunkElements: 4 }), open: () => open };
};

/** Runs `source` to the end asked for, after about `at` elements. */
const runTo = async (source: Source<number, unknown>, end: End, at: number, seed: number): Promise<void> => {
  const options = instrumented({ seed });
  let seen = 0;
  const sink = Sink.forEach<number>(() => {
    seen += 1;
    if (end === "sink fails" && seen > at) throw new Error("sink");
  });
  if (end === "sink cancels") {
    const probe = source.runWith(sinkProbe<number>(), options);
    for (let n = 0; n < at; n++) await probe.next().catch(() => undefined);
    probe.cancel();
  } else if (end === "loop left") {
    for await (const _ of source.iterate(options)) if (++seen > at) break;
  } else if (end === "killed") {
    const [kill, done] = source.viaMat(KillSwitches.single<number>(), Keep.right).toMat(sink, Keep.both).run(options);
    for (let turn = 0; turn < at; turn++) await Promise.resolve();
    kill.shutdown();
    await done;
  } else await source.runWith(sink, options).catch(() => undefined);
  options.verify();
};

const stepsOf = fc.array(asynchronousStep, { maxLength: 4 });

describe("after any end", () => {
  for (const end of ENDS) {
    it(`every finaliser has run once, in reverse order, and every source is closed: ${end}`, () =>
      fc.assert(
        fc.asyncProperty(stepsOf, fc.nat(45), fc.nat(3), fc.nat(1_000_000), async (steps, at, place, seed) => {
          const ran: number[] = [];
          const { source, open } = counted(end === "upstream fails");
          let stream: Source<number, unknown> = source.via(finalised(0, ran));
          steps.forEach((step: Step, index) => {
            stream = stream.via(step.flow()).via(finalised(index + 1, ran));
            if (end === "a stage fails" && index === place) stream = stream.via(throwingAt(at));
          });
          const unheard = await unhandledRejections(() => assertAllClosed(() => runTo(stream, end, at, seed)));
          // A side branch goes on where the stream has had enough, and meets the failure alone.
          expect(unheard.map(String).filter((text) => !FAILURES.includes(text))).to.deep.equal([]);
          expect(ran).to.deep.equal([...Array(steps.length + 1).keys()].reverse());
          expect(open()).to.equal(0);
        }),
        { numRuns: 60 },
      ));
  }
});
