import { Writable } from "node:stream";
import type { Logger } from "@millrace/streams";
import { committableSource } from "@millrace/kafka";
import { expect } from "chai";
import winston from "winston";

describe("a winston logger", () => {
  it("fits the logger interface as it is, fields included", () => {
    const lines: string[] = [];
    const stream = new Writable({
      write(line: Buffer, _encoding, done) {
        lines.push(line.toString());
        done();
      },
    });
    const logger: Logger = winston.createLogger({
      level: "debug",
      format: winston.format.json(),
      transports: [new winston.transports.Stream({ stream })],
    });
    logger.warn("kafka consumer: client error", { attempt: 2 });
    expect(JSON.parse(lines[0] ?? "{}")).to.deep.equal({
      level: "warn",
      message: "kafka consumer: client error",
      attempt: 2,
    });
  });

  it("is accepted by the settings of a source", () => {
    const logger = winston.createLogger({ silent: true });
    expect(() =>
      committableSource({ kafka: { brokers: "127.0.0.1:1", groupId: "g", logger }, topics: ["orders"] }),
    ).not.to.throw();
  });
});
