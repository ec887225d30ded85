import {
  committableSink,
  CommittableOffsetBatch,
  type KafkaDriver,
  type OwnProducerSettings,
  produce,
  producerFlow,
  producerFlowWithContext,
  produceMulti,
  type ProducerRecord,
  producerSink,
  SendProducer,
  sharedProducer,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { type Claim, Sink, Source, SourceWithContext } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { passing } from "./support/virtual-time.js";

const KILOBYTE = 2 ** 10;

type Settings = OwnProducerSettings<string, Buffer | null>;
type Made = ProducerRecord<string, Buffer | null>;

/** Counts, beside the producers, what elements were made for them and what the client has of them. */
class Sending {
  readonly clock: VirtualClock = virtualClock();
  readonly cluster: SimulatedKafka;
  readonly driver: KafkaDriver;
  made = 0;
  acknowledged = 0;
  #outstanding = 0;
  mostOutstanding = 0;
  /** Made and not acknowledged. */
  mostHeld = 0;

  constructor(seed = 1) {
    this.cluster = new SimulatedKafka({ seed, clock: this.clock, faults: { ackDelayMs: [5, 40] } });
    this.cluster.createTopic("out", 2);
    const { driver } = this.cluster;
    this.driver = {
      ...driver,
      producer: (properties, listener) => {
        const sizes = new Map<number, number>();
        const client = driver.producer(properties, {
          ...listener,
          onReports: (reports) => {
            for (const id of reports.ids) {
              this.#outstanding -= sizes.get(id) as number;
              this.acknowledged += sizes.get(id) as number;
            }
            listener.onReports(reports);
          },
          onError: (error) => listener.onError(error),
        });
        const send = client.produceBatch.bind(client);
        client.produceBatch = (records, from, firstId) => {
          const accepted = send(records, from, firstId);
          for (let index = from; index < from + accepted; index++) {
            const bytes = records[index]?.value?.length ?? 0;
            sizes.set(firstId + index, bytes);
            this.#outstanding += bytes;
          }
          this.mostOutstanding = Math.max(this.mostOutstanding, this.#outstanding);
          return accepted;
        };
        return client;
      },
    };
  }

  get settings(): Settings {
    return { kafka: { brokers: "x:1", driver: this.driver } };
  }

  /** Values that are made when they are asked for. */
  *make(sizes: readonly number[]): Generator<Made> {
    for (const size of sizes) {
      this.made += size;
      this.mostHeld = Math.max(this.mostHeld, this.made - this.acknowledged);
      yield { topic: "out", value: Buffer.alloc(size) };
    }
  }
}

class NoClaim implements Claim {
  share(): void {}
  end(): void {}
  at(): void {}
}

/** Every way to send a stream. */
const surfaces: Readonly<
  Record<string, (records: Iterable<Made>, settings: Settings, clock: VirtualClock) => Promise<unknown>>
> = {
  producerFlow: (records, settings, clock) =>
    Source.from(records)
      .map((record) => produce(record))
      .via(producerFlow(settings))
      .runWith(Sink.ignore, { clock }),
  "producerFlow, failures as elements": (records, settings, clock) =>
    Source.from(records)
      .map((record) => produce(record))
      .via(producerFlow({ ...settings, failures: "element" }))
      .runWith(Sink.ignore, { clock }),
  "producerFlow of envelopes of two": (records, settings, clock) =>
    Source.from(records)
      .grouped(2)
      .map((pair) => produceMulti(pair, undefined))
      .via(producerFlow(settings))
      .runWith(Sink.ignore, { clock }),
  producerFlowWithContext: (records, settings, clock) =>
    SourceWithContext.fromSource(Source.from(records).map((value) => ({ value, claim: new NoClaim() })))
      .via(producerFlowWithContext(settings))
      .discardContext()
      .runWith(Sink.ignore, { clock }),
  producerSink: (records, settings, clock) => Source.from(records).runWith(producerSink(settings), { clock }),
  committableSink: (records, settings, clock) =>
    Source.from(records)
      .map((record) => produce(record, CommittableOffsetBatch.empty))
      .runWith(committableSink(settings), { clock }),
};

describe("a producer whose records are large", () => {
  for (const [name, send] of Object.entries(surfaces)) {
    it(`sends no more than maxInFlightBytes before it is acknowledged, and has little more made for it: ${name}`, () =>
      fc.assert(
        fc.asyncProperty(
          fc.record({
            size: fc.integer({ min: 500, max: 6000 }),
            count: fc.integer({ min: 1, max: 400 }),
            bound: fc.integer({ min: 8 * KILOBYTE, max: 32 * KILOBYTE }),
            parallelism: fc.constantFrom(20, 4000),
            seed: fc.nat(),
          }),
          async ({ size, count, bound, parallelism, seed }) => {
            const sending = new Sending(seed);
            const sizes = new Array<number>(count).fill(size);
            const settings = { ...sending.settings, maxInFlightBytes: bound, parallelism };
            const done = send(sending.make(sizes), settings, sending.clock);
            await passing(sending.clock, done, "everything to be sent", 600_000);
            expect(sending.acknowledged).to.equal(count * size);
            // One envelope, of two records at most, goes while there is room for any.
            expect(sending.mostOutstanding).to.be.at.most(bound + 2 * size);
            // Before the first was seen a chunk of eight elements is made; from then on a quarter of the bound.
            expect(sending.mostHeld).to.be.at.most(bound + 2 * size + Math.max(bound / 4, 16 * size));
          },
        ),
        { numRuns: 15 },
      )).timeout(60_000);
  }

  it("sends a record that is larger than maxInFlightBytes alone", async () => {
    const sending = new Sending();
    const sizes = [5000, 5000, 100, 100, 5000];
    const sent = Source.from(sending.make(sizes)).runWith(
      producerSink({ ...sending.settings, maxInFlightBytes: 1024 }),
      { clock: sending.clock },
    );
    await passing(sending.clock, sent, "everything to be sent");
    expect(sending.mostOutstanding).to.be.within(5000, 5200);
  });

  it("has a queue of 64 MB in the client, or one that holds the largest record and what is in flight", () => {
    const queueOf = (settings: Partial<Settings>): unknown => {
      let queue: unknown;
      const { driver } = new Sending();
      const spy: KafkaDriver = {
        ...driver,
        producer: (properties, listener) => {
          queue = properties["queue.buffering.max.kbytes"];
          return driver.producer(properties, listener);
        },
      };
      void Source.empty<Made>().runWith(producerSink({ kafka: { brokers: "x:1", driver: spy }, ...settings }));
      return queue;
    };
    expect(queueOf({})).to.equal(65_536);
    expect(queueOf({ maxInFlightBytes: 2 ** 27 })).to.equal(131_072);
    expect(queueOf({ properties: { "message.max.bytes": 100_000_000 } })).to.equal(100_000);
    expect(queueOf({ properties: { "queue.buffering.max.kbytes": 77 } })).to.equal(77);
  });
});

describe("SendProducer whose records are large", () => {
  const value = Buffer.alloc(1000);

  it("has no more than maxInFlightBytes in flight, and refuses what would wait beyond maxWaitingBytes", async () => {
    const sending = new Sending();
    const sender = SendProducer.create({ ...sending.settings, maxInFlightBytes: 5000, maxWaitingBytes: 20_000 });
    const sends = Array.from({ length: 40 }, () =>
      sender.send({ topic: "out", value }).catch((error: unknown) => error),
    );
    const results = await passing(sending.clock, Promise.all(sends), "the answers");
    const refused = results.filter((each) => each instanceof Error);
    // None is in flight before the client is connected.
    expect(refused).to.have.length(20);
    for (const each of refused) {
      expect(each).to.include({ code: "SEND_QUEUE_FULL", retriable: true });
      expect(each.message).to.match(/20 sends of 20000 bytes wait already \(maxWaiting, maxWaitingBytes\)/);
    }
    expect(sending.mostOutstanding).to.equal(5000);
    await passing(sending.clock, sender.close(), "the end");
  });

  it("takes again what it refused once there is room, and one send of any size may go and one may wait", async () => {
    const sending = new Sending();
    const sender = SendProducer.create({ ...sending.settings, maxInFlightBytes: 1024, maxWaitingBytes: 1024 });
    const send = (bytes: number): Promise<unknown> => sender.send({ topic: "out", value: Buffer.alloc(bytes) });
    await passing(sending.clock, send(1), "the connection");
    for (let round = 0; round < 5; round++) {
      const taken = [send(5000), send(3000)];
      expect(await send(1).catch((error: unknown) => error)).to.include({ code: "SEND_QUEUE_FULL" });
      await passing(sending.clock, Promise.all(taken), "those that were taken");
    }
    expect(sending.mostOutstanding).to.equal(5000);
    await passing(sending.clock, sender.close(), "the end");
  });

  it("shares one queue with others, which bounds what all have in flight", () => {
    const { settings, driver } = new Sending();
    let queue: unknown;
    const kafka = {
      ...settings.kafka,
      driver: {
        ...driver,
        producer: (...[properties, listener]: Parameters<KafkaDriver["producer"]>) => {
          queue = properties["queue.buffering.max.kbytes"];
          return driver.producer(properties, listener);
        },
      },
    };
    const producer = sharedProducer({ kafka });
    void Source.empty<Made>().runWith(producerSink({ producer }));
    expect(queue).to.equal(65_536);
  });
});
