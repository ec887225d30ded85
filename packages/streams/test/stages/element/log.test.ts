import { Flow, Keep, type Logger, Sink, Source } from "@millrace/streams";
import { forSeeds, settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { failingAfter, operatorSkeleton, outcomeOf } from "../../support/operator-skeleton.js";

type Line = readonly [level: string, message: string, fields?: Readonly<Record<string, unknown>>];

const memoryLogger = (): { logger: Logger; lines: Line[] } => {
  const lines: Line[] = [];
  const add =
    (level: string) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void =>
      void lines.push(fields === undefined ? [level, message] : [level, message, fields]);
  return { lines, logger: { debug: add("debug"), info: add("info"), warn: add("warn"), error: add("error") } };
};

describe("log", () => {
  operatorSkeleton<number, number>({
    name: "log",
    flow: () => Flow.of<number>().log("orders", { logger: memoryLogger().logger }),
    input: [1, 2, 3],
    output: [1, 2, 3],
    outputOfOne: [1],
    throwing: {
      flow: (check) =>
        Flow.of<number>().log("orders", {
          logger: memoryLogger().logger,
          extract: (n) => {
            check(n);
            return n;
          },
        }),
      at: 1,
      delivered: [1],
      resumed: [1, 3],
    },
  });

  for (const [what, bad] of [
    [
      "throws",
      () => {
        throw new Error("no space left");
      },
    ],
    ["rejects", (() => Promise.reject(new Error("no space left"))) as unknown as () => never],
  ] as const) {
    it(`goes on, fails, and is cancelled as without it, where its logger ${what}; the first of that is printed`, async () => {
      const { error: print } = console;
      const printed: string[] = [];
      console.error = (text: string): void => void printed.push(text);
      const bads: Logger = { debug: bad, info: bad, warn: bad, error: bad };
      const logging = Flow.of<number>().log("orders", { logger: bads });
      try {
        expect(await Source.from([1, 2]).via(logging).runWith(Sink.toArray())).to.deep.equal([1, 2]);
        const error = new Error("boom");
        const outcome = await outcomeOf(failingAfter([1], error).via(logging), {});
        expect(outcome.failure).to.equal(error);
        const [upstream, sink] = sourceProbe<number>().via(logging).toMat(sinkProbe<number>(), Keep.both).run();
        sink.request();
        await settle();
        sink.cancel();
        await upstream.expectCancel();
      } finally {
        console.error = print;
      }
      expect(printed).to.have.length(1);
      expect(printed[0]).to.match(/^millrace: the logger has failed.*no space left$/);
    });
  }

  it("logs a failure once, at error, with the error", () =>
    forSeeds(async (options) => {
      const { logger, lines } = memoryLogger();
      const error = new Error("boom");
      await outcomeOf(failingAfter([1], error).log("orders", { logger }), options);
      expect(lines).to.deep.equal([
        ["debug", "orders", { element: 1 }],
        ["error", "orders: failed: boom", { error }],
      ]);
    }));

  it("logs a cancellation once, with its cause when it is a failure", () =>
    forSeeds(async (options) => {
      for (const cause of [undefined, new Error("downstream")]) {
        const { logger, lines } = memoryLogger();
        const [, sink] = sourceProbe<number>()
          .log("orders", { logger })
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        sink.request();
        await settle();
        sink.cancel(cause);
        const expected = cause ? ["debug", "orders: cancelled", { cause }] : ["debug", "orders: cancelled"];
        expect(lines).to.deep.equal([expected]);
      }
    }));

  it("logs what is extracted of each element, and completion once, at debug", () =>
    forSeeds(async (options) => {
      const { logger, lines } = memoryLogger();
      await Source.from([{ id: 1 }, { id: 2 }])
        .log("orders", { logger, extract: (order) => order.id })
        .runWith(Sink.ignore, options);
      expect(lines).to.deep.equal([
        ["debug", "orders", { element: 1 }],
        ["debug", "orders", { element: 2 }],
        ["debug", "orders: completed"],
      ]);
    }));
});
