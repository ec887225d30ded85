import type { ClientProperties } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { rejection } from "./support/rejection.js";
import { passing, passUntil } from "./support/virtual-time.js";

const CONSUMER = { "group.protocol": "consumer" } as const;
const HEARTBEAT_MS = 500;
const SESSION_MS = 3000;

describe("a simulated group that the broker assigns", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let members: Member[];

  const make = (partitions: number): void => {
    const timings = { heartbeatIntervalMs: HEARTBEAT_MS, sessionTimeoutMs: SESSION_MS };
    kafka = new SimulatedKafka({ seed: 7, clock, ...timings });
    kafka.createTopic("t", partitions);
  };
  const member = (id: string, properties: ClientProperties = {}): Member => {
    const made = new Member(kafka, id, { ...CONSUMER, ...properties }, true);
    members.push(made);
    return made.start();
  };
  const owning = (of: Member, count: number, withinMs?: number): Promise<void> =>
    passUntil(clock, () => of.owned.size === count, `${count} partitions`, withinMs);
  const commit = (of: Member, offset = 1): Promise<void> => of.client.commit([{ topic: "t", partition: 0, offset }]);

  beforeEach(() => {
    clock = virtualClock();
    members = [];
  });
  afterEach(() => passing(clock, Promise.all(members.map((each) => each.close())), "all members to close"));

  it("refuses settings that the broker decides, and assignors it has not", () => {
    make(1);
    for (const key of ["session.timeout.ms", "partition.assignment.strategy", "heartbeat.interval.ms"]) {
      expect(() => new Member(kafka, "a", { ...CONSUMER, [key]: "1" })).to.throw(key);
    }
    expect(() => new Member(kafka, "a", { ...CONSUMER, "group.remote.assignor": "mine" })).to.throw("mine");
  });

  it("refuses a member of the other protocol while it has members", async () => {
    make(2);
    await owning(member("a"), 2);
    const other = new Member(kafka, "b");
    members.push(other);
    other.start();
    await passUntil(clock, () => other.errors.length > 0, "an error");
    expect(other.errors[0]).to.include({ code: "POLL_FAILED", clientCode: 23 });
  });

  it("refuses the commit of a member it has forgotten, which hears that it lost its partitions, and joins again", async () => {
    make(2);
    const first = member("a");
    await owning(first, 2);
    kafka.expire("a");
    expect(await rejection(clock, commit(first))).to.include({ code: "COMMIT_FAILED", clientCode: 25 });
    await passUntil(clock, () => first.told.length === 3, "partitions lost and given again");
    expect(first.told).to.deep.equal(["+t-0 t-1", "!t-0 t-1", "+t-0 t-1"]);
  });

  it("refuses a commit of an older epoch, which may be repeated", async () => {
    make(1);
    const first = member("a");
    await owning(first, 1);
    // 1. A commit is sent under the old epoch; 2. a heartbeat brings the member to the next; 3. the commit arrives.
    kafka.setFaults({ commitDelayMs: [8000, 8000] });
    const late = commit(first);
    member("b");
    expect(await rejection(clock, late)).to.include({ code: "COMMIT_FAILED", clientCode: 113, retriable: true });
    kafka.setFaults({ commitDelayMs: [0, 5] });
    await passing(clock, commit(first), "a commit");
    expect(first.told).to.deep.equal(["+t-0"]);
  });

  it("gives a partition to another only after its owner has given it up", async () => {
    make(4);
    const first = member("a");
    await owning(first, 4);
    let open: () => void = () => undefined;
    first.onRevoke = () => new Promise((resolve) => (open = resolve));
    const second = member("b");
    await passUntil(clock, () => first.told.length === 2, "the revocation");
    await clock.advance(10 * HEARTBEAT_MS);
    expect([...second.owned]).to.deep.equal([]);
    first.onRevoke = () => Promise.resolve();
    open();
    await owning(second, 2);
    expect(first.told).to.deep.equal(["+t-0 t-1 t-2 t-3", "-t-2 t-3", "+"]);
    expect(second.told).to.deep.equal(["+t-2 t-3"]);
  });

  it("throws a member out that does not give up in time", async () => {
    make(2);
    const first = member("a", { "max.poll.interval.ms": 5000 });
    await owning(first, 2);
    let open: () => void = () => undefined;
    first.onRevoke = () => new Promise((resolve) => (open = resolve));
    const second = member("b");
    await passUntil(clock, () => first.told.length === 2, "the revocation");
    const at = clock.now();
    await owning(second, 2);
    expect(clock.now() - at).to.be.within(4000, 5000 + 2 * HEARTBEAT_MS);
    first.onRevoke = () => Promise.resolve();
    open();
    await owning(first, 1);
    expect(first.told.slice(1, 3)).to.deep.equal(["-t-1", "!t-0"]);
  });

  it("gives the partitions of a killed member to others after its session and a heartbeat", async () => {
    make(4);
    const [first, second] = [member("a"), member("b")];
    await passUntil(clock, () => first.owned.size === 2 && second.owned.size === 2, "two partitions each");
    const at = clock.now();
    kafka.kill("a");
    await owning(second, 4);
    expect(clock.now() - at).to.be.within(SESSION_MS - HEARTBEAT_MS, SESSION_MS + 2 * HEARTBEAT_MS);
  });

  it("gives the partitions of one that closes to others by their next heartbeat", async () => {
    make(4);
    const [first, second] = [member("a"), member("b")];
    await passUntil(clock, () => first.owned.size === 2 && second.owned.size === 2, "two partitions each");
    await passing(clock, first.close(), "closing");
    await owning(second, 4, 2 * HEARTBEAT_MS);
    expect(first.told.at(-1)).to.match(/^-t-/);
  });

  it("loses a member that polls too late, which joins again when it polls", async () => {
    make(2);
    const first = member("a", { "max.poll.interval.ms": 4000 });
    await owning(first, 2);
    await passing(clock, first.stall(), "the poll to end");
    await clock.advance(5000);
    expect(kafka.group("g").assignments.size).to.equal(0);
    first.resume();
    await passUntil(clock, () => first.told.length === 3, "partitions lost and given again");
    expect(first.told).to.deep.equal(["+t-0 t-1", "!t-0 t-1", "+t-0 t-1"]);
  });

  it("keeps the place of a static member that closes, for its session", async () => {
    make(4);
    const [first, second] = [member("a", { "group.instance.id": "one" }), member("b", { "group.instance.id": "two" })];
    await passUntil(clock, () => first.owned.size === 2 && second.owned.size === 2, "two partitions each");
    const [had, told] = [[...first.owned], second.told.length];
    await passing(clock, first.close(), "closing");
    await clock.advance(SESSION_MS / 2);
    const again = member("c", { "group.instance.id": "one" });
    await owning(again, 2);
    expect([...again.owned]).to.have.members(had);
    expect(second.told).to.have.length(told);
  });

  it("refuses a second member with the instance id of one that lives", async () => {
    make(2);
    await owning(member("a", { "group.instance.id": "one" }), 2);
    const second = member("b", { "group.instance.id": "one" });
    await passUntil(clock, () => second.errors.length > 0, "an error");
    expect(second.errors[0]).to.include({ code: "POLL_FAILED", clientCode: 111, fatal: true });
  });

  it("gives out the partitions of a topic that grows by the next heartbeat", async () => {
    make(1);
    const first = member("a");
    await owning(first, 1);
    kafka.addPartitions("t", 2);
    await owning(first, 3, 2 * HEARTBEAT_MS);
    expect(first.told).to.deep.equal(["+t-0", "+t-1 t-2"]);
  });

  it("assigns each partition to one member at a time, while members come and go", async () => {
    make(6);
    const a = member("a");
    await owning(a, 6);
    for (let turn = 0; turn < 30; turn++) {
      const come = new Member(kafka, `m${turn}`, CONSUMER, true);
      come.start();
      for (let step = 0; come.owned.size < 3; step++) {
        expect(step, "simulated milliseconds").to.be.lessThan(20_000);
        await clock.advance(5);
        for (const each of come.owned) expect(a.owned.has(each), `${each} of two members`).to.equal(false);
      }
      await passing(clock, come.close(), "a member to leave");
      await owning(a, 6);
    }
    expect(kafka.group("g").generation).to.be.at.least(60);
  }).timeout(30_000);
});
