import {
  committerSink,
  DrainingControl,
  type FollowedSettings,
  KafkaConnectorError,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { Gate } from "../support/gate.js";
import { p0 } from "../support/pipelines.js";
import { errorOf, until } from "../support/until.js";

describe("a source with offset context", () => {
  let kafka: FakeKafka;
  let gate: Gate;
  beforeEach(() => {
    kafka = new FakeKafka();
    gate = new Gate();
  });
  afterEach(() => kafka.verify());

  const source = (settings: Partial<FollowedSettings<string, string>> = {}) =>
    sourceWithOffsetContext({ kafka: kafka.settings, topics: ["t"], value: string(), ...settings });

  /** Works on many records at once; `gate` says when each is done. Commits at once. */
  const unordered = (settings: Partial<FollowedSettings<string, string>> = {}, maxIntervalMs = 1) =>
    source(settings)
      .mapAsyncUnordered(100, ({ partition, offset }) => gate.pass(`${partition}@${offset}`))
      .toMat(committerSink({ maxIntervalMs }), DrainingControl.from)
      .run();

  const positions = (): (readonly (readonly [number, number])[])[] =>
    kafka.client
      .of("commit")
      .map((each) => each.positions.map(({ partition, offset }) => [partition, offset] as const));
  const last = (): readonly (readonly [number, number])[] | undefined => positions().at(-1);
  const started = (count: number): Promise<void> => until(() => gate.started.length === count, `${count} started`);

  describe("that remembers what is finished above the position", () => {
    it("is refused where the driver sends no metadata", () => {
      kafka.commitsMetadata = false;
      expect(errorOf(() => source({ rememberFinished: true }))).to.include({ code: "INVALID_SETTINGS" });
    });

    it("tells it with the commit, and the next owner skips it", () =>
      assertAllClosed(async () => {
        const first = unordered({ rememberFinished: true });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 5));
        await started(5);
        gate.open("0@0", "0@2", "0@4");
        await until(() => kafka.client.of("commit").at(-1)?.positions[0]?.offset === 1, "a commit");
        await until(() => first.explain().partitions[0]?.behindWatermark === 2, "all to end");
        gate.fail("0@1", new Error("crash"));
        await first.isShutdown.catch(() => undefined);
        const stored = kafka.client.of("commit").at(-1)!.positions;
        gate = new Gate();
        kafka.onConsumer = (consumer) => {
          consumer.stored = stored;
        };
        const second = unordered({ rememberFinished: true });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 1, 5));
        await started(3);
        expect(gate.started).to.deep.equal(["0@1", "0@3", "0@5"]);
        gate.open("0@1", "0@3", "0@5");
        await until(() => last()?.[0]?.[1] === 6, "a commit of all");
        await second.drainAndShutdown();
      }));

    it("goes on without it when the broker finds the metadata too large", () =>
      assertAllClosed(async () => {
        const control = unordered({ rememberFinished: true });
        kafka.client.onCommit = (commit) =>
          commit.positions.some(({ metadata }) => metadata !== undefined)
            ? commit.fail(new KafkaConnectorError("COMMIT_FAILED", "metadata too large", { clientCode: 12 }))
            : commit.acknowledge();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 3));
        await started(3);
        gate.open("0@0", "0@2");
        await until(() => control.explain().partitions[0]?.committed === 1, "a commit");
        gate.open("0@1");
        await control.drainAndShutdown();
        expect(last()).to.deep.equal([[0, 3]]);
      }));

    it("never fails on metadata it does not know", () =>
      assertAllClosed(async () => {
        kafka.onConsumer = (consumer) => {
          consumer.stored = [{ ...p0, offset: 0, metadata: "somebody else's" }];
        };
        const control = unordered({ rememberFinished: { parallelConsumer: true } });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await started(1);
        gate.open("0@0");
        await control.drainAndShutdown();
      }));
  });
});
