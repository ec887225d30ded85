import {
  committableSource,
  committerSink,
  type CommitterSettings,
  DrainingControl,
  KafkaConnectorError,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { type Clock, systemClock } from "@millrace/streams";
import { assertAllClosed, settle, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0 } from "../../support/pipelines.js";
import { morePolls, rejectionOf, until } from "../../support/until.js";
import { numbered } from "../../../src/client/codes.js";

const refused = new KafkaConnectorError("COMMIT_FAILED", "refused", numbered(30));
const elsewhere = new KafkaConnectorError("COMMIT_FAILED", "not coordinator", { ...numbered(16), retriable: true });

/** Commits record by record, each acknowledged before the next is read, until some are refused. */
class Rig {
  readonly kafka: FakeKafka = new FakeKafka();
  readonly control: DrainingControl<void>;
  #given = 0;

  constructor(surface: "explicit" | "followed", committer: CommitterSettings = {}, clock: Clock = systemClock) {
    const settings = { kafka: this.kafka.settings, topics: ["t"], value: string(), commitTimeoutMs: 400 };
    const sink = committerSink({ maxBatch: 1, maxIntervalMs: 1, ...committer });
    this.control =
      surface === "explicit"
        ? committableSource(settings)
            .map(({ offset }) => offset)
            .toMat(sink, DrainingControl.from)
            .run({ clock })
        : sourceWithOffsetContext(settings).toMat(sink, DrainingControl.from).run({ clock });
  }

  async begin(succeed: number): Promise<void> {
    await this.kafka.client.assign(p0);
    for (let count = 0; count < succeed; count++) {
      this.give();
      await until(() => this.committed === this.#given, `commit ${this.#given}`);
    }
  }

  give(): void {
    this.kafka.client.give(records("t", 0, this.#given, 1));
    this.#given += 1;
  }

  /** Refuses so many commits, and acknowledges what comes then. */
  refuse(error: unknown, times: number): void {
    let left = times;
    this.kafka.client.onCommit = (commit) => (left-- > 0 ? commit.fail(error) : commit.acknowledge());
  }

  /** What was sent is answered by the next poll. */
  async answered(): Promise<void> {
    const { client } = this.kafka;
    await morePolls(client, 2);
    await settle();
  }

  get sent(): (number | undefined)[] {
    return this.kafka.client.of("commit").map(({ positions }) => positions[0]?.offset);
  }

  get committed(): number | undefined {
    return this.control.report()[0]?.committed;
  }

  async fails(): Promise<unknown> {
    const error = await rejectionOf(this.control.streamCompletion);
    await this.control.isShutdown.catch(() => undefined);
    return error;
  }
}

describe("a commit that fails after others have succeeded", () => {
  for (const surface of ["explicit", "followed"] as const) {
    for (const succeed of [1, 3]) {
      it(`fails the stream where it is refused for good, after ${succeed}, and the position stays (${surface})`, () =>
        assertAllClosed(async () => {
          const rig = new Rig(surface);
          await rig.begin(succeed);
          rig.refuse(refused, Number.POSITIVE_INFINITY);
          rig.give();
          expect(await rig.fails()).to.equal(refused);
          expect(rig.control.report()[0]).to.include({ committed: succeed, expectedReplays: 1 });
          expect(Math.max(...(rig.sent as number[]))).to.equal(succeed + 1);
          rig.kafka.verify();
        }));

      it(`is tried again, after ${succeed}, and the stream goes on (${surface})`, () =>
        assertAllClosed(async () => {
          const rig = new Rig(surface);
          await rig.begin(succeed);
          rig.refuse(elsewhere, 2);
          rig.give();
          await until(() => rig.committed === succeed + 1, "the commit");
          // And once more: a second failure finds it as the first did.
          rig.refuse(elsewhere, 2);
          rig.give();
          await until(() => rig.committed === succeed + 2, "the next commit");
          expect(rig.sent.slice(succeed)).to.deep.equal([1, 1, 1, 2, 2, 2].map((more) => succeed + more));
          expect(rig.control.metrics()).to.include({ commits: succeed + 2, failedCommits: 0 });
          expect(await rig.control.drainAndShutdown()).to.include({ expectedReplays: 0 });
          rig.kafka.verify();
        }));

      it(`fails the stream where it is refused for longer than commitTimeoutMs, after ${succeed} (${surface})`, () =>
        assertAllClosed(async () => {
          const clock = virtualClock();
          const rig = new Rig(surface, {}, clock);
          await rig.begin(succeed);
          rig.refuse(elsewhere, Number.POSITIVE_INFINITY);
          rig.give();
          // The fourth attempt leaves no time for the wait before a fifth.
          for (const [attempt, waitMs] of [50, 100, 200].entries()) {
            await until(() => rig.sent.length === succeed + attempt + 1, `attempt ${attempt + 1}`);
            await rig.answered();
            await clock.advance(waitMs - 1);
            expect(rig.sent.length).to.equal(succeed + attempt + 1);
            await clock.advance(1);
          }
          expect(await rig.fails()).to.equal(elsewhere);
          expect(rig.sent.slice(succeed, succeed + 4)).to.deep.equal(Array(4).fill(succeed + 1));
          expect(rig.control.report()[0]).to.include({ committed: succeed, expectedReplays: 1 });
          rig.kafka.verify();
        }));

      it(`is made good by the next one where the committer forgets, after ${succeed}, each time (${surface})`, () =>
        assertAllClosed(async () => {
          const rig = new Rig(surface, { delivery: "sendAndForget" });
          await rig.begin(succeed);
          for (const failures of [1, 2]) {
            rig.refuse(refused, Number.POSITIVE_INFINITY);
            rig.give();
            await until(() => rig.control.metrics().failedCommits >= failures, `failure ${failures}`);
            rig.refuse(refused, 0);
            rig.give();
            await until(() => rig.committed === succeed + 2 * failures, "the next commit");
          }
          expect(await rig.control.drainAndShutdown()).to.include({ processed: succeed + 4, expectedReplays: 0 });
          rig.kafka.verify();
        }));
    }
  }
});
