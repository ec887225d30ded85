import type { ConsumerClient } from "@millrace/kafka";
import { SimulatedKafka, type SimulatedFaults } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { rejection } from "./support/rejection.js";
import { Sender } from "./support/sender.js";
import { passing, passUntil } from "./support/virtual-time.js";

const CALL_MS = 1000;
const POSITION = { topic: "t", partition: 0, offset: 7 };

describe("a transaction of a simulated cluster", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let toClose: { close(): Promise<unknown> }[];

  const make = (faults: Partial<SimulatedFaults> = {}): void => {
    kafka = new SimulatedKafka({ seed: 9, clock, faults });
    kafka.createTopic("t", 2);
  };
  const sender = async (clientId = "p", properties = {}): Promise<Sender> => {
    const made = new Sender(kafka, clientId, { "transactional.id": "x", ...properties });
    toClose.push({ close: () => made.client.close({ drop: true }) });
    await passing(clock, made.client.connect(), "a connection");
    return made;
  };
  const begun = async (clientId?: string, properties?: object): Promise<Sender> => {
    const made = await sender(clientId, properties);
    await passing(clock, made.transactions.init(CALL_MS), "init");
    await made.transactions.begin();
    return made;
  };
  const sent = async (of: Sender, partition: number, ...values: string[]): Promise<void> => {
    of.send("t", partition, ...values);
    await passing(clock, of.client.flush(CALL_MS), "reports");
  };
  const commit = ({ transactions }: Sender) => passing(clock, transactions.commit(CALL_MS), "a commit");
  const abort = ({ transactions }: Sender) => passing(clock, transactions.abort(CALL_MS), "an abort");
  const member = (id: string, properties = {}): Member => {
    const made = new Member(kafka, id, properties);
    toClose.push(made);
    return made;
  };
  const reader = (isolation: string): Member =>
    member("r", { "isolation.level": isolation, "group.id": isolation }).start({
      kind: "assignment",
      partitions: [{ topic: "t", partition: 0 }],
    });
  const committed = async (client: ConsumerClient) =>
    (await passing(clock, client.committed([POSITION], CALL_MS), "positions"))[0]?.offset;
  const values = (isolation: "read_committed" | "read_uncommitted", partition = 0): string[] =>
    kafka.records("t", partition, isolation).map(({ value }) => String(value));

  beforeEach(() => {
    clock = virtualClock();
    toClose = [];
  });
  afterEach(() => passing(clock, Promise.all(toClose.map((each) => each.close())), "all clients to close"));

  describe("whose producer", () => {
    it("is not initialised, or in no transaction, is refused", async () => {
      make();
      const one = await sender();
      expect(await rejection(clock, one.transactions.begin())).to.include({
        code: "TRANSACTION_FAILED",
        clientCode: -172,
      });
      await passing(clock, one.transactions.init(CALL_MS), "init");
      expect(() => one.send("t", 0, "a")).to.throw("No transaction is open");
      expect(await rejection(clock, one.transactions.commit(CALL_MS))).to.include({ code: "TRANSACTION_FAILED" });
      expect(await rejection(clock, one.transactions.init(CALL_MS))).to.include({ code: "TRANSACTION_FAILED" });
    });

    it("has no transactional.id, does not exist", () => {
      make();
      const plain = new Sender(kafka, "p");
      expect(plain.client.transactions).to.equal(undefined);
      return plain.client.close();
    });

    it("is followed by another with its id, is fenced for good, and later records are not stored", async () => {
      make();
      const old = await begun("old");
      await sent(old, 0, "a");
      const young = await begun("young");
      old.send("t", 0, "b");
      await passing(clock, old.client.flush(CALL_MS), "reports");
      expect(old.failed.get("b")).to.include({ clientCode: 47 });
      expect(await rejection(clock, old.transactions.commit(CALL_MS))).to.include({
        code: "PRODUCER_FENCED",
        fatal: true,
      });
      expect(await rejection(clock, old.transactions.abort(CALL_MS))).to.include({ code: "PRODUCER_FENCED" });
      expect(old.errors[0]).to.include({ clientCode: -144, fatal: true });
      await sent(young, 0, "c");
      await commit(young);
      await clock.advance(50);
      expect(values("read_uncommitted")).to.deep.equal(["a", "c"]);
      expect(values("read_committed")).to.deep.equal(["c"]);
    });

    it("is killed, is ended by the next with its id, which waits for that", async () => {
      make({ markerDelayMs: [300, 300] });
      const old = await begun("old");
      await sent(old, 0, "a");
      kafka.kill("old");
      const young = await sender("young");
      const at = clock.now();
      await passing(clock, young.transactions.init(CALL_MS), "init");
      expect(clock.now() - at).to.be.at.least(300);
      expect(kafka.records("t", 0, "read_committed")).to.deep.equal([]);
    });

    it("stays silent, is ended after its timeout, and fenced", async () => {
      make();
      const one = await begun("p", { "transaction.timeout.ms": 2000 });
      await sent(one, 0, "a");
      const read = reader("read_committed");
      kafka.append("t", 0, { value: "plain" });
      await clock.advance(1500);
      expect(read.read, "behind an open transaction").to.deep.equal([]);
      await passUntil(clock, () => read.read.length === 1, "the plain record", 2000);
      expect(await rejection(clock, one.transactions.commit(CALL_MS))).to.include({ code: "PRODUCER_FENCED" });
    });

    it("closes while a call is under way, is answered first", async () => {
      make({ transactionDelayMs: [100, 100] });
      const one = await begun();
      await sent(one, 0, "a");
      const committing = one.transactions.commit(CALL_MS);
      await passing(clock, one.client.close(), "closing");
      await committing;
      await clock.advance(50);
      expect(values("read_committed")).to.deep.equal(["a"]);
    });
  });

  describe("that cannot be committed", () => {
    it("because a record failed, says so until it is aborted", async () => {
      make({ produceErrorRate: 1 });
      const one = await begun();
      one.send("t", 0, "a");
      expect(await rejection(clock, one.transactions.commit(CALL_MS))).to.include({ code: "TRANSACTION_ABORTABLE" });
      expect(() => one.send("t", 0, "b")).to.throw("Abort it");
      await abort(one);
      kafka.setFaults({ produceErrorRate: 0 });
      await one.transactions.begin();
      await sent(one, 0, "c");
      await commit(one);
      await clock.advance(50);
      expect(values("read_committed")).to.deep.equal(["c"]);
    });

    it("because the coordinator refuses, can be aborted", async () => {
      make({ transactionErrorRate: 1 });
      const one = await begun();
      await sent(one, 0, "a");
      expect(await rejection(clock, one.transactions.commit(CALL_MS))).to.include({ code: "TRANSACTION_ABORTABLE" });
      await abort(one);
    });

    it("drops what is queued when it is aborted, and reports it as failed", async () => {
      make({ appendDelayMs: [200, 200] });
      const one = await begun();
      one.send("t", 0, "a", "b");
      await abort(one);
      expect([...one.failed.keys()]).to.deep.equal(["a", "b"]);
      expect(one.failed.get("a")).to.include({ clientCode: -152 });
      await clock.advance(500);
      expect(kafka.records("t", 0)).to.deep.equal([]);
    });
  });

  describe("without an answer", () => {
    for (const outcome of ["commit", "abort"] as const) {
      it(`to its ${outcome} is settled by the same call only`, async () => {
        const shown = new Set<string>();
        for (let turn = 0; turn < 8; turn++) {
          make();
          kafka.setFaults({ transactionDelayMs: [turn, turn] });
          const one = await begun();
          await sent(one, 0, "a");
          // Whether it is done is drawn: other choices before it make for another one.
          for (let draw = 0; draw < turn; draw++) await sent(one, 0, "more");
          kafka.setFaults({ transactionTimeoutRate: 1 });
          expect(await rejection(clock, one.transactions[outcome](CALL_MS))).to.include({
            code: "TRANSACTION_FAILED",
            retriable: true,
          });
          const other = outcome === "commit" ? "abort" : "commit";
          expect(await rejection(clock, one.transactions[other](CALL_MS))).to.include({ retriable: false });
          shown.add(kafka.records("t", 0, "read_committed").length > 0 ? "done" : "not done");
          kafka.setFaults({ transactionTimeoutRate: 0 });
          await passing(clock, one.transactions[outcome](CALL_MS), `the ${outcome}`);
          await clock.advance(50);
          expect(values("read_committed")).to.have.length(outcome === "commit" ? 1 + turn : 0);
          await one.transactions.begin();
          await passing(clock, one.client.close({ drop: true }), "closing");
        }
        expect([...shown]).to.include("not done");
        if (outcome === "commit") expect([...shown], "some were done all the same").to.include("done");
      });
    }
  });

  describe("read", () => {
    it("is hidden from read_committed until it ends, with all behind it", async () => {
      make();
      const [open, careless] = [reader("read_committed"), reader("read_uncommitted")];
      const one = await begun();
      await sent(one, 0, "a");
      kafka.append("t", 0, { value: "plain" });
      await passUntil(clock, () => careless.read.length === 2, "both records");
      await clock.advance(200);
      expect(open.read).to.deep.equal([]);
      const ends = async ({ client }: Member) =>
        (await passing(clock, client.watermarks(POSITION, CALL_MS), "ends")).high;
      expect([await ends(open), await ends(careless)]).to.deep.equal([0, 2]);
      await commit(one);
      await passUntil(clock, () => open.read.length === 2, "both records");
      expect(await ends(open), "with the marker").to.equal(3);
      kafka.append("t", 0, { value: "next" });
      await passUntil(clock, () => open.read.length === 3, "the next");
      expect(open.read).to.deep.equal(["t-0@0", "t-0@1", "t-0@3"]);
    });

    it("is skipped where it was aborted", async () => {
      make();
      const one = await begun();
      await sent(one, 0, "a", "b");
      await abort(one);
      await one.transactions.begin();
      await sent(one, 0, "c");
      await commit(one);
      const [careful, careless] = [reader("read_committed"), reader("read_uncommitted")];
      await passUntil(clock, () => careful.read.length === 1 && careless.read.length === 3, "the records");
      expect(careful.read).to.deep.equal(["t-0@3"]);
      expect(careless.read).to.deep.equal(["t-0@0", "t-0@1", "t-0@3"]);
    });

    it("begins only when the markers of the last are written", async () => {
      make({ markerDelayMs: [400, 400] });
      const one = await begun();
      await sent(one, 0, "a");
      await commit(one);
      await one.transactions.begin();
      one.send("t", 0, "b");
      await clock.advance(100);
      expect(values("read_uncommitted")).to.deep.equal(["a"]);
      await commit(one);
      await clock.advance(500);
      expect(kafka.records("t", 0, "read_committed").map(({ offset }) => offset)).to.deep.equal([0, 2]);
    });
  });

  describe("with offsets", () => {
    const joined = async (id: string, properties = {}): Promise<Member> => {
      const made = member(id, { "session.timeout.ms": 5000, ...properties }).start();
      await passUntil(clock, () => made.owned.size > 0, "an assignment");
      return made;
    };
    const sendOffsets = (of: Sender, { client }: Member) => of.transactions.sendOffsets([POSITION], client, CALL_MS);

    it("of a member that was expired is refused, and has to be aborted", async () => {
      make();
      const [one, consumer] = [await begun(), await joined("c")];
      await joined("d");
      await passing(clock, consumer.stall(), "the poll to end");
      kafka.expire("c");
      expect(await rejection(clock, sendOffsets(one, consumer))).to.include({
        code: "TRANSACTION_ABORTABLE",
        clientCode: 25,
      });
      expect(await rejection(clock, one.transactions.commit(CALL_MS))).to.include({ code: "TRANSACTION_ABORTABLE" });
      await abort(one);
      consumer.resume();
    });

    for (const [protocol, properties] of [
      ["generation", {}],
      ["epoch", { "group.protocol": "consumer" }],
    ] as const) {
      it(`of an old ${protocol} is refused with 22`, async () => {
        make({ transactionDelayMs: [8000, 8000] });
        const timing = protocol === "epoch" ? properties : { "session.timeout.ms": 5000 };
        const consumer = member("c", timing).start();
        await passUntil(clock, () => consumer.owned.size === 2, "an assignment");
        const one = await sender();
        await passing(clock, one.transactions.init(60_000), "init");
        await one.transactions.begin();
        const late = one.transactions.sendOffsets([POSITION], consumer.client, 60_000);
        const other = member("d", timing).start();
        await passUntil(clock, () => other.owned.size === 1, "the rebalance");
        expect(await rejection(clock, late)).to.include({ code: "TRANSACTION_ABORTABLE", clientCode: 22 });
      });
    }

    it("refuses the consumer of another driver", async () => {
      make();
      const one = await begun();
      const foreign = {} as ConsumerClient;
      expect(await rejection(clock, one.transactions.sendOffsets([POSITION], foreign, CALL_MS))).to.include({
        code: "INVALID_SETTINGS",
      });
    });

    it("makes them visible at its commit only, and never when it is aborted", async () => {
      make();
      const [one, consumer] = [await begun(), await joined("c")];
      await passing(clock, sendOffsets(one, consumer), "offsets");
      expect(kafka.committed("g")).to.deep.equal([]);
      await abort(one);
      await clock.advance(50);
      expect(kafka.committed("g")).to.deep.equal([]);
      await one.transactions.begin();
      await passing(clock, sendOffsets(one, consumer), "offsets");
      await commit(one);
      expect(await committed(consumer.client)).to.equal(7);
    });

    it("keeps others from starting at the position that it is about to change", async () => {
      make();
      kafka.append("t", 0, ...["a", "b", "c", "d", "e", "f", "g", "h"].map((value) => ({ value })));
      const [one, consumer] = [await begun(), await joined("c")];
      await passing(clock, sendOffsets(one, consumer), "offsets");
      const asked = consumer.client.committed([POSITION], 100);
      expect(await rejection(clock, asked), "while it is open").to.include({ clientCode: -185 });
      await passing(clock, consumer.close(), "closing");
      const next = await joined("d");
      await clock.advance(500);
      expect(next.read).to.deep.equal([]);
      await commit(one);
      await passUntil(clock, () => next.read.length > 0, "a record");
      expect(next.read).to.deep.equal(["t-0@7"]);
    });
  });

  it("loses and doubles nothing, and nothing is seen of what was aborted", async () => {
    make({ requestLossRate: 0.2, answerLossRate: 0.2, transactionErrorRate: 0.1, transactionTimeoutRate: 0.1 });
    const one = await begun();
    const expected: string[] = [];
    for (let turn = 0; turn < 60; turn++) {
      one.send("t", turn % 2, `${turn}`, `${turn}+`);
      const until = async (end: "commit" | "abort"): Promise<boolean> => {
        for (;;) {
          const error = await rejection(clock, one.transactions[end](CALL_MS));
          if (!error?.retriable) return error === undefined;
        }
      };
      const commits = turn % 4 !== 3 && (await until("commit"));
      if (commits) expected.push(`${turn}`, `${turn}+`);
      else expect(await until("abort")).to.equal(true);
      await one.transactions.begin();
    }
    await clock.advance(1000);
    const seen = [...values("read_committed", 0), ...values("read_committed", 1)];
    expect(seen.sort()).to.deep.equal(expected.sort());
    expect(expected.length).to.be.greaterThan(60);
  });
});
