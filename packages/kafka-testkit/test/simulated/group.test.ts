import type { KafkaConnectorError } from "@millrace/kafka";
import { SimulatedKafka, type SimulatedKafkaOptions } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { passing, passUntil } from "./support/virtual-time.js";

const EAGER = { "partition.assignment.strategy": "roundrobin" } as const;
const COOPERATIVE = { "partition.assignment.strategy": "cooperative-sticky" } as const;
const SESSION_MS = 10_000;

describe("a simulated group", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let members: Member[];

  const make = (partitions: number, options: Partial<SimulatedKafkaOptions> = {}): void => {
    kafka = new SimulatedKafka({ seed: 7, clock, ...options });
    kafka.createTopic("t", partitions);
  };
  const member = (id: string, properties = {}): Member => {
    const made = new Member(kafka, id, { "session.timeout.ms": SESSION_MS, ...properties });
    members.push(made);
    return made.start();
  };
  const owning = (of: Member, count: number, withinMs?: number): Promise<void> =>
    passUntil(clock, () => of.owned.size === count, `${count} partitions`, withinMs);
  const rejection = async (promise: Promise<unknown>): Promise<KafkaConnectorError> => {
    const error = await passing(
      clock,
      promise.then(
        () => undefined,
        (reason: unknown) => reason,
      ),
      "an answer",
    );
    return error as KafkaConnectorError;
  };

  beforeEach(() => {
    clock = virtualClock();
    members = [];
  });
  afterEach(() => passing(clock, Promise.all(members.map((each) => each.close())), "all members to close"));

  it("refuses a commit of an old generation, with the code of the broker and the seed", async () => {
    make(2, { faults: { commitDelayMs: [40, 40] } });
    const first = member("a", COOPERATIVE);
    await owning(first, 2);
    const { generation } = kafka.group("g");
    member("b", COOPERATIVE);
    let committing: Promise<void> | undefined;
    // 1. A commit is sent under the old generation; 2. the group rebalances; 3. it arrives.
    kafka.setFaults({ noticeMs: [0, 0] });
    for (let step = 0; kafka.group("g").generation === generation && step < 200; step++) {
      committing ??= first.client.commit([{ topic: "t", partition: 0, offset: 1 }]);
      committing.catch(() => undefined);
      await clock.advance(1);
    }
    const error = await rejection(committing as Promise<void>);
    expect(error).to.include({ code: "COMMIT_FAILED", clientCode: 22, retriable: false });
    expect(error.message).to.contain("seed 7");
    expect(kafka.committed("g")).to.deep.equal([]);
  });

  it("refuses the commit of a member it has forgotten, which loses its partitions and joins again", async () => {
    make(2, { faults: { commitDelayMs: [5, 5] } });
    const first = member("a");
    await owning(first, 2);
    const committing = first.client.commit([{ topic: "t", partition: 0, offset: 1 }]);
    kafka.expire("a");
    expect(await rejection(committing)).to.include({ code: "COMMIT_FAILED", clientCode: 25 });
    await passUntil(clock, () => first.told.length === 3, "partitions lost and given again");
    expect(first.told).to.deep.equal(["+t-0 t-1", "-t-0 t-1", "+t-0 t-1"]);
  });

  it("gives the partitions of a killed member to others only after its session", async () => {
    make(4);
    const first = member("a");
    const second = member("b");
    await passUntil(clock, () => first.owned.size === 2 && second.owned.size === 2, "two partitions each");
    const killedAt = clock.now();
    kafka.kill("a");
    await owning(second, 4);
    expect(clock.now() - killedAt).to.be.at.least(SESSION_MS);
    expect(first.owned.size, "what a dead process still believes").to.equal(2);
  });

  it("goes on without a member that stops polling, which is notified when it polls again", async () => {
    make(2);
    const first = member("a", { "max.poll.interval.ms": 20_000 });
    await owning(first, 2);
    await passing(clock, first.stall(), "the poll to end");
    await clock.advance(21_000);
    expect([...kafka.group("g").assignments.keys()]).to.deep.equal([]);
    first.resume();
    await passUntil(clock, () => first.told.length === 3, "partitions lost and given again");
    expect(first.told).to.deep.equal(["+t-0 t-1", "-t-0 t-1", "+t-0 t-1"]);
    expect(first.errors[0]).to.include({ clientCode: -147, retriable: true });
  });

  it("revokes everything from an eager member, also what comes back", async () => {
    make(4);
    const first = member("a", EAGER);
    await owning(first, 4);
    const second = member("b", EAGER);
    await passUntil(clock, () => first.owned.size === 2 && second.owned.size === 2, "two partitions each");
    expect(first.told).to.deep.equal(["+t-0 t-1 t-2 t-3", "-t-0 t-1 t-2 t-3", "+t-0 t-2"]);
    expect(second.told).to.deep.equal(["+t-1 t-3"]);
  });

  it("revokes from a cooperative member only what moves", async () => {
    make(4);
    const first = member("a", COOPERATIVE);
    await owning(first, 4);
    const second = member("b", COOPERATIVE);
    await passUntil(clock, () => second.owned.size === 2, "two partitions");
    const moves = ({ told }: Member): readonly string[] => told.filter((call) => call.length > 1);
    expect(moves(first)).to.deep.equal(["+t-0 t-1 t-2 t-3", "-t-2 t-3"]);
    expect(moves(second)).to.deep.equal(["+t-2 t-3"]);
  });

  it("waits for the handler of a revocation, while polling goes on", async () => {
    make(2);
    const first = member("a");
    await owning(first, 2);
    let open: () => void = () => undefined;
    first.onRevoke = () => new Promise((resolve) => (open = resolve));
    const second = member("b");
    await passUntil(clock, () => first.told.length === 2, "the revocation");
    const before = first.polls;
    await clock.advance(500);
    expect(first.polls).to.be.greaterThan(before + 5);
    expect(second.owned.size).to.equal(0);
    first.onRevoke = () => Promise.resolve();
    open();
    await owning(second, 1);
  });

  it("does not wait for a member that closed, or died, before it was given anything", async () => {
    make(2);
    const first = member("a");
    await owning(first, 2);
    let open: () => void = () => undefined;
    first.onRevoke = () => new Promise((resolve) => (open = resolve));
    const [second] = [member("b"), member("c")];
    await passUntil(clock, () => first.told.length === 2, "the revocation");
    await clock.advance(100);
    await passing(clock, second.close(), "closing");
    kafka.kill("c");
    await clock.advance(SESSION_MS);
    first.onRevoke = () => Promise.resolve();
    open();
    await passUntil(clock, () => first.told.length === 3, "an assignment", 1000);
    await owning(first, 2);
  });

  it("takes a member once that is lost while it joins again", async () => {
    make(2);
    const first = member("a", EAGER);
    await owning(first, 2);
    kafka.setFaults({ noticeMs: [0, 0], latencyMs: [20, 20] });
    member("b", EAGER);
    await passUntil(clock, () => first.owned.size === 0, "the revocation", 1000, 1);
    kafka.expire("a");
    await owning(first, 1);
    await clock.advance(100);
    expect(kafka.group("g").assignments.size).to.equal(2);
  });

  it("serves rebalances only to those who poll", async () => {
    make(2);
    const first = member("a");
    await owning(first, 2);
    await passing(clock, first.stall(), "the poll to end");
    const second = member("b");
    await clock.advance(1000);
    expect([first.told.length, second.owned.size]).to.deep.equal([1, 0]);
  });

  it("gives a static member that returns within its session what it had, and disturbs nobody", async () => {
    make(4);
    const first = member("a", { "group.instance.id": "one" });
    const second = member("b", { "group.instance.id": "two" });
    await passUntil(clock, () => first.owned.size === 2 && second.owned.size === 2, "two partitions each");
    const [{ generation }, told] = [kafka.group("g"), second.told.length];
    kafka.kill("a");
    await clock.advance(SESSION_MS / 2);
    const again = member("a2", { "group.instance.id": "one" });
    await owning(again, 2);
    expect([...again.owned]).to.deep.equal([...first.owned]);
    expect([kafka.group("g").generation, second.told.length]).to.deep.equal([generation, told]);
  });

  it("fences a member when another comes with its instance id", async () => {
    make(2);
    const first = member("a", { "group.instance.id": "one" });
    await owning(first, 2);
    const second = member("b", { "group.instance.id": "one" });
    await owning(second, 2);
    await passUntil(clock, () => first.errors.length > 0, "an error");
    expect(first.errors[0]).to.include({ code: "POLL_FAILED", clientCode: 82, fatal: true });
  });

  it("rebalances when a topic comes into being that a member's pattern matches", async () => {
    make(1);
    const first = new Member(kafka, "a", { "topic.metadata.refresh.interval.ms": 5000 });
    members.push(first);
    first.start({ kind: "pattern", pattern: /^[tu]$/ });
    await owning(first, 1);
    kafka.createTopic("u", 2);
    await owning(first, 3);
  });

  it("assigns each partition to one member at a time, through a thousand rebalances", async () => {
    make(6, { faults: { noticeMs: [0, 2], latencyMs: [0, 1] } });
    const a = member("a", COOPERATIVE);
    await owning(a, 6);
    const started = process.hrtime.bigint();
    const from = kafka.group("g").generation;
    let steps = 0;
    for (let turn = 0; kafka.group("g").generation - from < 1000; turn++) {
      const come = new Member(kafka, `m${turn}`, COOPERATIVE);
      come.start();
      for (; come.owned.size < 3; steps++) {
        expect(steps, "simulated milliseconds").to.be.lessThan(200_000);
        await clock.advance(1);
        for (const each of come.owned) expect(a.owned.has(each), `${each} of two members`).to.equal(false);
      }
      await passing(clock, come.close(), "a member to leave");
      await owning(a, 6);
    }
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    const rebalances = kafka.group("g").generation - from;
    console.log(`      ${rebalances} rebalances in ${steps} steps: ${Math.round(rebalances / seconds)} a second`);
  }).timeout(60_000);
});
