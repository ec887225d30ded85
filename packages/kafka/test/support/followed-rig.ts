import {
  committerSink,
  DrainingControl,
  type FollowedSettings,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { FakeKafka } from "./fake-kafka.js";
import { Gate } from "../../../../test/support/gate.js";
import { until } from "./until.js";

type Settings = Partial<FollowedSettings<string, string>>;

/** A followed source of topic `t` on a fake client, and work on its records that ends when the test says so. */
export class FollowedRig {
  readonly kafka: FakeKafka = new FakeKafka();
  gate: Gate = new Gate();

  source(settings: Settings = {}) {
    return sourceWithOffsetContext({ kafka: this.kafka.settings, topics: ["t"], value: string(), ...settings });
  }

  /** Works on many records at once; `gate` says when each is done. Commits at once. */
  unordered(settings: Settings = {}, maxIntervalMs = 1) {
    return this.source(settings)
      .mapAsyncUnordered(100, ({ partition, offset }) => this.gate.pass(`${partition}@${offset}`))
      .toMat(committerSink({ maxIntervalMs }), DrainingControl.from)
      .run();
  }

  /** Partition and position of each commit, in order. */
  positions(): (readonly (readonly [number, number])[])[] {
    return this.kafka.client
      .of("commit")
      .map((each) => each.positions.map(({ partition, offset }) => [partition, offset] as const));
  }

  last(): readonly (readonly [number, number])[] | undefined {
    return this.positions().at(-1);
  }

  started(count: number): Promise<void> {
    return until(() => this.gate.started.length === count, `${count} started`);
  }
}
