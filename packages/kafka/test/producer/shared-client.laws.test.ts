import type { OutgoingRecord, ProducerClient } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import { SharedClient } from "../../src/producer/shared-client.js";
import { FakeProducer } from "../support/fake-producer.js";

/** Sends as much as its share takes, and the rest when it is called again; what it calls id is the place in its queue. */
class Sender {
  readonly queue: OutgoingRecord[] = [];
  readonly reports: { readonly id: number; readonly offset: number }[] = [];
  readonly #share: ProducerClient;
  #sent = 0;

  constructor(shared: SharedClient) {
    this.#share = shared.share({
      onReports: ({ ids, offsets }) => {
        ids.forEach((id, index) => this.reports.push({ id, offset: offsets[index] as number }));
        this.send();
      },
      onError: () => undefined,
    });
  }

  add(topic: string, count: number): void {
    for (let left = count; left > 0; left--) {
      this.queue.push({ topic, key: null, value: Buffer.from(String(this.queue.length)) });
    }
  }

  send(): void {
    while (this.#sent < this.queue.length) {
      const accepted = this.#share.produceBatch(this.queue, this.#sent, 0);
      if (accepted === 0) return;
      this.#sent += accepted;
    }
  }
}

type Step =
  | { readonly do: "send"; readonly sender: number; readonly count: number }
  | { readonly do: "report"; readonly pick: number };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("send"), sender: fc.nat(2), count: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ do: fc.constant("report"), pick: fc.nat() }),
  ),
  { maxLength: 60 },
);

const bench = (capacity: number) => {
  const clients: FakeProducer[] = [];
  const shared = new SharedClient({
    open: (listener) => {
      const client = new FakeProducer({}, listener);
      client.capacity = capacity;
      client.onSent = () => undefined;
      clients.push(client);
      return client;
    },
    onWarning: () => undefined,
    onEnd: () => undefined,
  });
  const client = clients[0] as FakeProducer;
  const done = new Set<number>();
  return {
    client,
    senders: [0, 1, 2].map(() => new Sender(shared)),
    inFlight: () => client.sent.map(({ id }) => id).filter((id) => !done.has(id)),
    /** Lets those who wait have their turns. */
    report: async (id: number): Promise<void> => {
      done.add(id);
      client.acknowledge(id);
      await new Promise(setImmediate);
    },
  };
};

describe("a shared client", () => {
  it("gives every report to the share whose record it is, under that share's id, and keeps the order of each", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 12 }), async (all, capacity) => {
        const { client, senders, inFlight, report } = bench(capacity);
        for (const step of all) {
          const open = inFlight();
          if (step.do === "send") {
            senders[step.sender]?.add(String(step.sender), step.count);
            senders[step.sender]?.send();
          } else if (open.length > 0) await report(open[step.pick % open.length] as number);
        }
        for (let [next] = inFlight(); next !== undefined; [next] = inFlight()) await report(next);
        senders.forEach(({ queue, reports }, sender) => {
          const places = queue.map((_, place) => place);
          const sent = client.sent.filter(({ record }) => record.topic === String(sender));
          expect(sent.map(({ record }) => Number(record.value))).to.deep.equal(places);
          const told = reports.toSorted((a, b) => a.id - b.id);
          expect(told.map(({ id }) => id)).to.deep.equal(places);
          // A record's offset is the client's own id of it.
          expect(told.map(({ offset }) => offset)).to.deep.equal(sent.map(({ id }) => id));
        });
      }),
    );
  });
});
