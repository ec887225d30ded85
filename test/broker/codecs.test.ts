import { createRequire } from "node:module";
import { KafkaConnectorError, plainSource, producerSink, string } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { brokerOrSkip } from "../support/broker.js";

/** What the client of this machine was built with; it has to be right with a codec and without. */
const { features } = createRequire(import.meta.url)("node-rdkafka") as { readonly features: readonly string[] };

const VALUES = Array.from({ length: 50 }, (_, index) => `${index}-${"x".repeat(200)}`);

const settled = <T>(promise: Promise<T>): Promise<T | KafkaConnectorError> =>
  promise.catch((error: unknown) => {
    if (error instanceof KafkaConnectorError) return error;
    throw error;
  });

describe("codecs on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });

  // A client that is refused throws at once.
  const write = async (topic: string, codec: string): Promise<void> =>
    Source.from(VALUES)
      .map((value) => ({ topic, value }))
      .runWith(
        producerSink({
          kafka: { brokers: kafka.brokers },
          value: string(),
          properties: { "compression.codec": codec },
        }),
      );
  const read = (topic: string): Promise<readonly string[]> =>
    plainSource({
      kafka: { brokers: kafka.brokers },
      assignment: [{ topic, partition: 0, offset: "beginning" }],
      value: string(),
      until: "end",
    })
      .map(({ value }) => value)
      .runWith(Sink.toArray());

  for (const codec of ["gzip", "snappy", "lz4", "zstd"]) {
    it(`${codec}: what is written is read, or refused with the codec, the cause and the remedy`, async () => {
      const topic = `codec-${codec}-${process.pid}`;
      await kafka.createTopic(topic, { partitions: 1 });
      const written = await settled(write(topic, codec));
      if (features.includes(codec)) {
        expect(written).to.equal(undefined);
        expect(await read(topic)).to.deep.equal(VALUES);
      } else {
        expect(written).to.include({ code: "INVALID_SETTINGS" });
        expect((written as Error).message).to.match(new RegExp(`${codec}.*not available at build time.*Install `));
      }
    });

    it(`${codec}: a topic that the broker compresses is read, or fails with the codec, the topic and the remedy`, async () => {
      const topic = `broker-codec-${codec}-${process.pid}`;
      await kafka.createTopic(topic, { partitions: 1, configs: { "compression.type": codec } });
      await write(topic, "none");
      const seen = await settled(read(topic));
      if (features.includes(codec)) expect(seen).to.deep.equal(VALUES);
      else {
        expect(seen).to.include({ code: "CODEC_MISSING" });
        expect((seen as Error).message).to.match(new RegExp(`topic ${topic}: .*compressed by ${codec}.*Install `));
      }
    });
  }
});
