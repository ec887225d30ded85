import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { passing, passUntil } from "./support/virtual-time.js";

describe("a simulated member that is lost to its group", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let members: Member[];

  beforeEach(() => {
    clock = virtualClock();
    members = [];
    kafka = new SimulatedKafka({ seed: 2, clock });
    kafka.createTopic("t", 2);
  });
  afterEach(() => passing(clock, Promise.all(members.map((each) => each.close())), "all members to close"));

  const member = async (id: string, properties = {}, hearsLoss = true): Promise<Member> => {
    const made = new Member(kafka, id, { "session.timeout.ms": 5000, ...properties }, hearsLoss);
    members.push(made);
    made.start();
    await passUntil(clock, () => made.owned.size > 0, "an assignment");
    return made;
  };
  const again = (of: Member): Promise<void> => passUntil(clock, () => of.told.length >= 3, "another assignment");

  for (const strategy of ["range", "cooperative-sticky"]) {
    it(`is notified when it was expired, and joins again (${strategy})`, async () => {
      const one = await member("a", { "partition.assignment.strategy": strategy });
      kafka.expire("a");
      await again(one);
      expect(one.told).to.deep.equal(["+t-0 t-1", "!t-0 t-1", "+t-0 t-1"]);
    });
  }

  it("is notified when it polled too late", async () => {
    const one = await member("a", { "max.poll.interval.ms": 6000 });
    await passing(clock, one.stall(), "the poll to end");
    await clock.advance(7000);
    one.resume();
    await again(one);
    expect(one.told.slice(0, 2)).to.deep.equal(["+t-0 t-1", "!t-0 t-1"]);
    expect(one.errors[0]).to.include({ clientCode: -147 });
  });

  it("is notified, at the latest when it closes, where another took its instance id", async () => {
    const one = await member("a", { "group.instance.id": "one" });
    await member("b", { "group.instance.id": "one" });
    await passing(clock, one.close(), "closing");
    expect(one.told.at(-1)).to.equal("!t-0 t-1");
  });

  it("is notified of a revocation where it does not listen for losses", async () => {
    const one = await member("a", {}, false);
    kafka.expire("a");
    await again(one);
    expect(one.told.slice(0, 2)).to.deep.equal(["+t-0 t-1", "-t-0 t-1"]);
  });

  it("is notified of a revocation, not of a loss, when it closes or another joins", async () => {
    const one = await member("a", { "partition.assignment.strategy": "cooperative-sticky" });
    await member("b", { "partition.assignment.strategy": "cooperative-sticky" });
    await passing(clock, one.close(), "closing");
    expect(one.told.filter((call) => call.startsWith("!"))).to.deep.equal([]);
  });
});
