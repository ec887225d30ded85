import { DrainingControl, plainSource, string } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { Sender } from "./support/sender.js";
import { passing, passUntil } from "./support/virtual-time.js";

/** What a dead producer left open. */
const OPEN_MS = 60_000;

describe("a group whose positions an open transaction of a dead member holds", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let warned: string[];

  const held = async (): Promise<void> => {
    const sender = new Sender(kafka, "p", { "transactional.id": "x", "transaction.timeout.ms": OPEN_MS });
    await passing(clock, sender.client.connect(), "a connection");
    await passing(clock, sender.transactions.init(1000), "init");
    await sender.transactions.begin();
    const member = new Member(kafka, "dead", { "session.timeout.ms": 5000 }).start();
    await passUntil(clock, () => member.owned.size > 0, "an assignment");
    const position = { topic: "t", partition: 0, offset: 1 };
    await passing(clock, sender.transactions.sendOffsets([position], member.client, 1000), "offsets");
    kafka.kill("p");
    kafka.kill("dead");
  };
  const run = (settings: object = {}) => {
    const read: string[] = [];
    const warn = (message: string): void => void warned.push(message);
    const logger = { debug: () => undefined, info: () => undefined, warn, error: warn };
    const control = plainSource<string, string>({
      kafka: { brokers: "x:1", groupId: "g", clientId: "next", driver: kafka.driver, logger },
      ...{ topics: ["t"], value: string(), autoOffsetReset: "earliest", offsetResetProtection: {}, ...settings },
    } as never)
      .map((record) => void read.push(record.value))
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock });
    return { control, read };
  };
  const codesOf = (control: ReturnType<typeof run>["control"]): readonly string[] =>
    control.explain().reasons.map(({ code }) => code);
  const told = (): number => warned.filter((message) => message.includes("open transaction")).length;

  beforeEach(async () => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 9, clock });
    kafka.createTopic("t", 1);
    kafka.append("t", 0, { value: "a" }, { value: "b" });
    warned = [];
    await held();
  });

  it("is waited for until the broker aborts it, with one warning, and read from where it was", async () => {
    const { control, read } = run();
    await clock.advance(45_000);
    expect(read).to.deep.equal([]);
    expect(told()).to.equal(1);
    expect(codesOf(control)).to.deep.equal(["POSITIONS_HELD"]);
    expect(control.explain().toString()).to.include("an open transaction of a member that is gone may hold them");
    await passUntil(clock, () => read.length === 2, "the records", 40_000);
    expect(read).to.deep.equal(["a", "b"]);
    expect(told()).to.equal(1);
    expect(codesOf(control)).to.deep.equal([]);
    await passing(clock, control.drainAndShutdown(), "the drain");
  });

  it("is warned about once where the client itself waits for it, without offsetResetProtection", async () => {
    const { control, read } = run({ offsetResetProtection: undefined });
    await clock.advance(45_000);
    expect({ read, told: told() }).to.deep.equal({ read: [], told: 1 });
    expect(codesOf(control)).to.deep.equal(["POSITIONS_HELD"]);
    await passUntil(clock, () => read.length === 2, "the records", 40_000);
    expect({ read, told: told() }).to.deep.equal({ read: ["a", "b"], told: 1 });
    await passing(clock, control.drainAndShutdown(), "the drain");
  });

  it("keeps lag() waiting, and does not fail it", async () => {
    const { control, read } = run({ offsetResetProtection: undefined });
    await clock.advance(15_000);
    const lag = control.lag();
    await passUntil(clock, () => read.length === 2, "the records", 80_000);
    expect(await passing(clock, lag, "the lag")).to.have.length(1);
    await passing(clock, control.drainAndShutdown(), "the drain");
  });

  it("is not taken for one where no broker answers", async () => {
    const { control } = run();
    const failed = control.streamCompletion.catch((error: unknown) => error);
    await clock.advance(10_000);
    kafka.outage(60_000);
    expect(await passing(clock, failed, "the failure", 30_000)).to.include({ code: "CLIENT_FAILED", clientCode: -185 });
    expect(told()).to.equal(0);
    await passing(
      clock,
      control.drainAndShutdown().catch(() => undefined),
      "the drain",
      20_000,
    );
  });

  it("fails the stream where it is held for longer than heldPositionsTimeoutMs", async () => {
    const { control } = run({ heldPositionsTimeoutMs: 0 });
    let failure: unknown;
    control.streamCompletion.catch((error: unknown) => (failure = error));
    await clock.advance(45_000);
    expect(failure).to.include({ code: "CLIENT_FAILED", clientCode: -185 });
    await passing(
      clock,
      control.drainAndShutdown().catch(() => undefined),
      "the drain",
    );
  });

  it("does not keep a consumer from closing", async () => {
    const { control } = run();
    await clock.advance(20_000);
    await passing(
      clock,
      control.drainAndShutdown().catch(() => undefined),
      "the drain",
      20_000,
    );
  });
});
