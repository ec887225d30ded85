import {
  committableSource,
  committerSink,
  type ConsumerSettings,
  DrainingControl,
  KafkaConnectorError,
  sourceWithOffsetContext,
  string,
  type TopicPartition,
} from "@millrace/kafka";
import type { Logger } from "@millrace/streams";
import { assertAllClosed, settle, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import type { FakeCommit } from "../../support/fake-consumer.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0, p1 } from "../../support/pipelines.js";
import { until } from "../../support/until.js";
import { numbered } from "../../../src/client/codes.js";

/** How long a revocation waits for its last commit. */
const COMMIT_MS = 5000;
const COMMIT_TIMEOUT_MS = 60_000;

const refusal = (clientCode: number, retriable: boolean): KafkaConnectorError =>
  new KafkaConnectorError("COMMIT_FAILED", "refused", { ...numbered(clientCode), retriable });

/** A source whose records are worked on until the gate lets them go, and committed by nobody but a revocation. */
class Rig {
  readonly kafka: FakeKafka = new FakeKafka();
  readonly clock: VirtualClock = virtualClock();
  readonly gate: Gate = new Gate();
  readonly warnings: string[] = [];
  readonly control: DrainingControl<void>;
  failure: unknown;

  constructor(surface: "explicit" | "followed", reading: Partial<ConsumerSettings> = {}) {
    const quiet = (): void => undefined;
    const warn = (message: string): void => void this.warnings.push(message);
    const logger: Logger = { debug: quiet, info: quiet, warn, error: quiet };
    const kafka = { ...this.kafka.settings, logger };
    const settings = { kafka, topics: ["t"], value: string(), commitTimeoutMs: COMMIT_TIMEOUT_MS, ...reading };
    const { clock } = this;
    const sink = committerSink({ maxIntervalMs: 1_000_000 });
    this.control =
      surface === "explicit"
        ? committableSource(settings)
            .mapAsync(100, async ({ record, offset }) => {
              await this.#pass(record);
              return offset;
            })
            .toMat(sink, DrainingControl.from)
            .run({ clock })
        : sourceWithOffsetContext(settings)
            .mapAsyncUnordered(100, (record) => this.#pass(record))
            .toMat(sink, DrainingControl.from)
            .run({ clock });
    this.control.streamCompletion.catch((error: unknown) => (this.failure = error));
  }

  #pass({ partition, offset }: { readonly partition: number; readonly offset: number }): Promise<void> {
    return this.gate.pass(`${partition}@${offset}`);
  }

  started(count: number): Promise<void> {
    return until(() => this.gate.started.length === count, `${count} started`);
  }

  /** Begins to revoke; tells whether that is over, and with which error. */
  revoke(...partitions: readonly { readonly topic: string; readonly partition: number }[]) {
    const state = { over: false, error: undefined as unknown };
    this.kafka.client
      .revoke(...partitions)
      .catch((error: unknown) => (state.error = error))
      .finally(() => (state.over = true));
    return state;
  }

  get committed(): string[] {
    return this.kafka.client
      .of("commit")
      .map(({ positions }) => positions.map(({ partition, offset }) => `${partition}@${offset}`).join(" "));
  }

  async polls(count = 3): Promise<void> {
    const { client } = this.kafka;
    const before = client.of("poll").length;
    await until(() => client.closed || client.of("poll").length > before + count, "polling to go on");
    await settle();
  }

  async end(): Promise<void> {
    this.kafka.client.onCommit = (commit) => commit.acknowledge();
    let ended = false;
    this.control
      .drainAndShutdown()
      .catch(() => undefined)
      .finally(() => (ended = true));
    for (let turn = 0; turn < 2000 && !ended; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      await this.clock.advance(10);
    }
    expect(ended).to.equal(true);
    this.kafka.verify();
  }
}

interface Answer {
  readonly answer: (commit: FakeCommit) => void;
  /** Comes once the revocation is over, which has waited for it in vain. */
  readonly late?: (commit: FakeCommit, clock: VirtualClock) => Promise<void> | void;
  /** Fails an explicit stream, whose committer asked for it. */
  readonly fails?: boolean;
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  "refused for good": { answer: (commit) => commit.fail(refusal(30, false)), fails: true },
  "refused by what is no error": { answer: (commit) => commit.fail("no"), fails: true },
  "refused because the group has moved on": { answer: (commit) => commit.fail(refusal(22, false)) },
  "not answered within its timeout": {
    answer: () => undefined,
    late: async (commit, clock) => {
      await clock.advance(COMMIT_TIMEOUT_MS);
      commit.acknowledge();
    },
  },
  "acknowledged late": { answer: () => undefined, late: (commit) => commit.acknowledge() },
  "refused late": { answer: () => undefined, late: (commit) => commit.fail(refusal(30, false)) },
  "refused late, as one to try again": { answer: () => undefined, late: (commit) => commit.fail(refusal(16, true)) },
};

describe("the last commit of a revocation", () => {
  for (const surface of ["explicit", "followed"] as const) {
    for (const [what, { answer, late, fails = false }] of Object.entries(ANSWERS)) {
      it(`that is ${what} hurts nobody: the partition is given up, in time and for good (${surface})`, () =>
        assertAllClosed(async () => {
          const rig = new Rig(surface);
          const { client } = rig.kafka;
          client.onCommit = answer;
          await client.assign(p0, p1);
          client.give([...records("t", 0, 0, 3), ...records("t", 1, 0, 1)]);
          await rig.started(4);
          const revoked = rig.revoke(p0);
          rig.gate.open("0@0", "0@1", "0@2");
          await until(() => client.commits.length === 1, "the last commit");
          await rig.polls();
          if (late) {
            await rig.clock.advance(COMMIT_MS - 1);
            expect(revoked.over, "it is waited for").to.equal(false);
            await rig.clock.advance(1);
          }
          await until(() => revoked.over, "the revocation to end");
          expect(revoked.error).to.equal(undefined);
          const stops = fails && surface === "explicit";
          expect(rig.failure !== undefined, "the stream has failed").to.equal(stops);
          expect(rig.control.explain().partitions.map(({ partition }) => partition)).not.to.include(0);
          expect(rig.committed).to.deep.equal(["0@3"]);
          const told = rig.warnings.filter((text) => text.includes("the commit before partitions are given up failed"));
          expect(told).to.have.length(fails ? 1 : 0);
          await late?.(client.commits[0] as FakeCommit, rig.clock);
          await rig.polls();
          await rig.clock.advance(3 * COMMIT_MS);
          await rig.polls();
          // What is sent for the other partition has nothing of the one that is gone.
          expect(rig.committed.slice(1).filter((each) => each.includes("0@"))).to.deep.equal([]);
          rig.gate.open("1@0");
          await rig.end();
          if (!stops) expect(rig.committed.at(-1)).to.equal("1@1");
        }));
    }
  }
});

describe("a revocation of two partitions", () => {
  /** Both are revoked; the one is idle, and of two records of the other the first is done. */
  const halfDone = async (surface: "explicit" | "followed", revoked: readonly TopicPartition[]) => {
    const rig = new Rig(surface, { revokeTimeoutMs: 10_000 });
    const { client } = rig.kafka;
    await client.assign(p0, p1);
    client.give(records("t", 1, 0, 2));
    await rig.started(2);
    const state = rig.revoke(...revoked);
    rig.gate.open("1@0");
    await rig.polls();
    return { rig, state };
  };

  for (const surface of ["explicit", "followed"] as const) {
    for (const [order, revoked] of Object.entries({ first: [p0, p1], last: [p1, p0] })) {
      it(`of which the ${order} one is idle waits for the other, and commits what it has finished (I4, ${surface})`, () =>
        assertAllClosed(async () => {
          const { rig, state } = await halfDone(surface, revoked);
          await rig.clock.advance(9000);
          await rig.polls();
          expect(state.over).to.equal(false);
          rig.gate.open("1@1");
          await until(() => state.over, "the revocation to end");
          expect(rig.committed.at(-1)).to.equal("1@2");
          expect(rig.control.explain().partitions).to.deep.equal([]);
          await rig.end();
        }));

      it(`of which the ${order} one is idle gives the other up at the deadline, not before (I4, ${surface})`, () =>
        assertAllClosed(async () => {
          const { rig, state } = await halfDone(surface, revoked);
          await rig.clock.advance(9999);
          await rig.polls();
          expect(state.over).to.equal(false);
          await rig.clock.advance(1);
          await until(() => state.over, "the revocation to end");
          expect(rig.committed.at(-1)).to.equal("1@1");
          rig.gate.open("1@1");
          await rig.polls();
          expect(rig.committed.at(-1), "what ends later changes nothing (I6)").to.equal("1@1");
          expect(rig.control.report().find(({ partition }) => partition === 1)).to.include({ abandoned: 1 });
          await rig.end();
        }));
    }
  }
});
