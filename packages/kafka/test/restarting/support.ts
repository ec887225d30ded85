import {
  bytes,
  committableSource,
  committerSink,
  type Deserializer,
  DrainingControl,
  KafkaConnectorError,
  type KafkaErrorCode,
  restarting,
  type RestartingControl,
  type RestartSettings,
} from "@millrace/kafka";
import type { RunnableGraph } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";

/** What a client ends its stream with. */
export const broken = (code: KafkaErrorCode = "CLIENT_FAILED"): KafkaConnectorError =>
  new KafkaConnectorError(code, "broken", { fatal: true });

/** A restarting graph on clients at the hand of the test, in virtual time. */
export class Bench {
  readonly kafka: FakeKafka = new FakeKafka();
  readonly clock: VirtualClock = virtualClock();
  readonly seen: string[] = [];
  /** Called for each record; may throw. */
  handle: (name: string) => Promise<unknown> | undefined = () => undefined;
  /** How values are read. */
  value: Deserializer<unknown> = bytes();
  /** What `graph` throws in place of a graph, where there is anything. */
  thrown: unknown;

  readonly graph = (): RunnableGraph<DrainingControl<void>> => {
    if (this.thrown !== undefined) throw this.thrown;
    const { value } = this;
    return committableSource({ kafka: this.kafka.settings, topics: ["t"], revokeTimeoutMs: 100, value })
      .mapAsync(4, async ({ record, offset }) => {
        this.seen.push(`${this.kafka.consumers.length}: ${record.partition}@${record.offset}`);
        await this.handle(`${record.partition}@${record.offset}`);
        return offset;
      })
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);
  };

  run(settings: RestartSettings = {}): RestartingControl<void> {
    return restarting({ minBackoffMs: 100, randomFactor: 0, ...settings }, this.graph).run({ clock: this.clock });
  }

  /** The run of that number fails, and its client is closed. */
  async fail(number: number, error: unknown = broken()): Promise<void> {
    const client = this.kafka.consumers[number - 1];
    client?.listener.onError(error as Error);
    await this.waiting(number);
  }

  async waiting(number: number): Promise<void> {
    await until(() => this.kafka.consumers[number - 1]?.closed === true, `client ${number} to be closed`);
    await this.clock.advance(0);
  }

  /** Gives so many records to the present run, which has partition 0 then. */
  async give(from: number, count: number): Promise<void> {
    await this.kafka.client.assign(p0);
    this.kafka.client.give(records("t", 0, from, count));
  }

  committed(): number | undefined {
    return this.kafka.client.of("commit").at(-1)?.positions[0]?.offset;
  }
}
