import {
  committableSource,
  committerSink,
  type ConsumerSettings,
  DrainingControl,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing, passUntil } from "./support/virtual-time.js";

const SESSION_MS = 45_000;
const PARTITIONS = 4;

describe("a static member whose place in the group is refused", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let sent: number;
  let processed: Set<string>;
  let warned: string[];

  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 5, clock, sessionTimeoutMs: SESSION_MS });
    kafka.createTopic("t", PARTITIONS);
    sent = 0;
    processed = new Set();
    warned = [];
  });

  const send = (): void => {
    for (let partition = 0; partition < PARTITIONS; partition++)
      kafka.append("t", partition, { value: `${partition}:${sent}` });
    sent += 1;
  };
  const committed = (): boolean =>
    kafka.committed("g").length === PARTITIONS && kafka.committed("g").every(({ offset }) => offset === sent);
  const has = (): boolean => processed.size === PARTITIONS * sent;
  const settings = (clientId: string, more: Partial<ConsumerSettings>) => {
    const warn = (message: string): void => void warned.push(message);
    const logger = { debug: () => undefined, info: () => undefined, warn, error: () => undefined };
    return {
      kafka: { brokers: "simulated", groupId: "g", clientId, driver: kafka.driver, logger },
      topics: ["t"],
      value: string(),
      groupInstanceId: "one",
      ...more,
    } as const;
  };
  /** A pipeline on either surface; `failure` is what it failed with. */
  const run = (clientId: string, more: Partial<ConsumerSettings>, surface: "explicit" | "followed" = "followed") => {
    const committing = committerSink({ maxIntervalMs: 50 });
    const control =
      surface === "followed"
        ? sourceWithOffsetContext(settings(clientId, more))
            .map(({ value }) => void processed.add(value))
            .toMat(committing, DrainingControl.from)
            .run({ clock })
        : committableSource(settings(clientId, more))
            .map(({ record, offset }) => {
              processed.add(record.value);
              return offset;
            })
            .toMat(committing, DrainingControl.from)
            .run({ clock });
    const ended: { failure: unknown } = { failure: undefined };
    control.streamCompletion.catch((error: unknown) => (ended.failure = error));
    return Object.assign(ended, { control });
  };
  const drained = async ({ control }: ReturnType<typeof run>): Promise<void> => {
    await passing(
      clock,
      control.drainAndShutdown().catch(() => undefined),
      "the drain",
    );
  };
  const MODERN = { groupProtocol: "consumer" } as const;

  for (const surface of ["explicit", "followed"] as const) {
    it(`waits where the process before it was killed, says for what, and comes back by itself (${surface})`, async () => {
      run("killed", MODERN, surface);
      send();
      await passUntil(clock, has, "the first records");
      kafka.kill("killed");
      send();
      const again = run("again", MODERN, surface);
      await clock.advance(SESSION_MS - 5000);
      expect(has()).to.equal(false);
      expect(warned.filter((message) => message.includes("goes when its session ends at the broker"))).to.not.be.empty;
      await passUntil(clock, () => has() && committed(), "what came meanwhile", 20_000);
      expect(again.failure).to.equal(undefined);
      await drained(again);
    });

    it(`joins again where its broker was away and took it for another (${surface})`, async () => {
      const one = run("one", { sessionTimeoutMs: SESSION_MS }, surface);
      send();
      await passUntil(clock, has, "the first records");
      // As often as that happens, also within minutes.
      for (let times = 0; times < 6; times++) {
        kafka.outage(8000);
        await clock.advance(10_000);
        kafka.fence("one");
        send();
        await passUntil(clock, () => has() && committed(), "what came meanwhile", 20_000);
      }
      expect(one.failure).to.equal(undefined);
      expect(warned.filter((message) => message.includes("may have forgotten"))).to.have.length(6);
      await drained(one);
    });
  }

  it("fails because another has its id, where no broker was away", async () => {
    const older = run("older", { sessionTimeoutMs: SESSION_MS });
    send();
    await passUntil(clock, has, "the first records");
    const younger = run("younger", { sessionTimeoutMs: SESSION_MS });
    await passUntil(clock, () => older.failure !== undefined, "the failure");
    expect(older.failure).to.include({ code: "POLL_FAILED", clientCode: 82, fatal: true });
    send();
    await passUntil(clock, has, "the records of the younger");
    expect(younger.failure).to.equal(undefined);
    await drained(older);
    await drained(younger);
  });

  it("fails too where brokers come and go, and of two that live one stays", async () => {
    const both = [run("a", { sessionTimeoutMs: SESSION_MS }), run("b", { sessionTimeoutMs: SESSION_MS })];
    for (let times = 0; times < 12 && both.every(({ failure }) => failure === undefined); times++) {
      kafka.outage(1000);
      await clock.advance(5000);
    }
    const failed = both.filter(({ failure }) => failure !== undefined);
    expect(failed).to.have.length(1);
    expect(failed[0]?.failure).to.include({ clientCode: 82, fatal: true });
    send();
    await passUntil(clock, has, "the records of the one that stays", 20_000);
    for (const each of both) await drained(each);
  });

  it("waits no longer than a dead member may stay, and fails by the name of what has its id", async () => {
    const alive = run("alive", MODERN);
    send();
    await passUntil(clock, has, "the first records");
    const other = run("other", MODERN);
    await clock.advance(100_000);
    expect(other.failure).to.equal(undefined);
    await passUntil(clock, () => other.failure !== undefined, "the failure", 60_000);
    expect(other.failure).to.include({ code: "POLL_FAILED", clientCode: 111, fatal: true });
    expect(String(other.failure)).to.match(/id of its own/);
    expect(alive.failure).to.equal(undefined);
    await drained(alive);
    await drained(other);
  });

  it("does not keep a consumer from closing", async () => {
    run("killed", MODERN);
    send();
    await passUntil(clock, has, "the first records");
    kafka.kill("killed");
    const again = run("again", MODERN);
    await clock.advance(10_000);
    await passing(
      clock,
      again.control.drainAndShutdown().catch(() => undefined),
      "the drain",
      15_000,
    );
  });
});
