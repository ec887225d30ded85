import { Writable } from "node:stream";
import { committableSource, KafkaConnectorError, type KafkaSettings } from "@millrace/kafka";
import { type Logger, pinoLogger, StreamError } from "@millrace/streams";
import { harmless } from "@millrace/streams/stage";
import { expect } from "chai";
import { pino } from "pino";
import winston from "winston";
import { loggerOf } from "../../src/logging/logger-of.js";

/** What a logger has written, line by line. */
class Lines extends Writable {
  readonly lines: string[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.lines.push(...chunk.toString().trimEnd().split("\n"));
    done();
  }

  get json(): readonly Readonly<Record<string, unknown>>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

describe("what is logged of a failure", () => {
  const boom = new Error("boom");
  const ours = new KafkaConnectorError("POLL_FAILED", "no answer", { clientCode: -185, retriable: true, cause: boom });
  const log = (logger: Logger): void => {
    const safe = harmless(logger);
    safe.warn("a retry", { attempt: 2, error: boom });
    safe.error("the end", { error: ours });
  };

  it("is in winston's lines of text and of JSON", () => {
    for (const format of [winston.format.json(), winston.format.simple()]) {
      const stream = new Lines();
      log(winston.createLogger({ level: "debug", format, transports: [new winston.transports.Stream({ stream })] }));
      expect(stream.lines[0]).to.include("a retry: boom").and.to.include("2");
      expect(stream.lines[1]).to.include("the end: no answer").and.to.include("POLL_FAILED").and.to.include("boom");
    }
  });

  it("is in pino's lines, with the error as pino prints one", () => {
    const stream = new Lines();
    log(pinoLogger(pino({ level: "debug" }, stream)));
    const [retry, end] = stream.json;
    expect(retry).to.include({ msg: "a retry: boom", attempt: 2 });
    expect(retry?.["err"]).to.include({ message: "boom" }).and.to.have.property("stack");
    expect(end).to.include({ msg: "the end: no answer" });
    expect(end?.["err"]).to.include({ code: "POLL_FAILED", clientCode: -185 });
  });

  it("is in the message of any other, which may print no fields", () => {
    const said: string[] = [];
    const say = (message: string): void => void said.push(message);
    log({ debug: say, info: say, warn: say, error: say });
    expect(said).to.deep.equal(["a retry: boom", "the end: no answer"]);
  });

  it("is kept in JSON by our own errors", () => {
    const seen = JSON.parse(JSON.stringify([ours, new StreamError("EMPTY_STREAM", "nothing came")])) as unknown;
    expect(seen).to.deep.equal([
      {
        ...{ name: "KafkaConnectorError", code: "POLL_FAILED", message: "no answer", cause: "boom" },
        ...{ clientCode: -185, retriable: true, fatal: false },
      },
      { name: "StreamError", code: "EMPTY_STREAM", message: "nothing came" },
    ]);
  });
});

describe("a logger of winston, of pino, or the console", () => {
  const loggers: Readonly<Record<string, () => Logger>> = {
    winston: () => winston.createLogger({ silent: true }),
    pino: () => pinoLogger(pino({ enabled: false })),
    console: () => console,
  };
  for (const [name, logger] of Object.entries(loggers)) {
    it(`is accepted by the settings of a source: ${name}`, () => {
      const kafka: KafkaSettings = { brokers: "127.0.0.1:1", groupId: "g", logger: logger() };
      expect(() => committableSource({ kafka, topics: ["orders"] })).not.to.throw();
    });
  }
});

describe("without a logger", () => {
  const before = process.env["MILLRACE_LOG"];
  const { log, error } = console;
  let printed: string[];
  beforeEach(() => {
    printed = [];
    console.log = (message: string) => void printed.push(`out ${message}`);
    console.error = (message: string) => void printed.push(`err ${message}`);
  });
  afterEach(() => {
    Object.assign(console, { log, error });
    process.env["MILLRACE_LOG"] = before;
  });

  const logged = (level: string | undefined): readonly string[] => {
    if (level === undefined) delete process.env["MILLRACE_LOG"];
    else process.env["MILLRACE_LOG"] = level;
    const logger = loggerOf(undefined);
    logger.debug("d");
    logger.info("i");
    logger.warn("w");
    logger.error("e", { error: "boom" });
    return printed.splice(0);
  };

  it("warnings and errors go to standard error", () => {
    expect(logged(undefined)).to.deep.equal(["err w", "err e: boom"]);
  });

  it("MILLRACE_LOG names the level, or silence", () => {
    expect(logged("debug")).to.deep.equal(["out d", "out i", "err w", "err e: boom"]);
    expect(logged("info")).to.deep.equal(["out i", "err w", "err e: boom"]);
    expect(logged("error")).to.deep.equal(["err e: boom"]);
    expect(logged("silent")).to.deep.equal([]);
  });

  it("an error is printed once, with its stack where it is the end", () => {
    delete process.env["MILLRACE_LOG"];
    const lines: unknown[][] = [];
    console.error = (...line: unknown[]) => void lines.push(line);
    const logger = loggerOf(undefined);
    logger.warn("w", { error: new Error("boom"), attempt: 2, groupId: undefined });
    logger.error("e", { error: new Error("boom") });
    expect(lines[0]).to.deep.equal(["w: boom", { attempt: 2 }]);
    expect(lines[1]).to.have.length(1);
    expect(lines[1]?.[0]).to.match(/^e: boom\n +at .*loggers\.test\.ts/);
  });

  it("a level that there is not is that of no variable", () => {
    expect(logged("loud")).to.deep.equal(logged(undefined));
  });
});
