import {
  committerSink,
  DrainingControl,
  type FollowedSettings,
  KafkaConnectorError,
  type PartitionExplanation,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "./fake-kafka.js";
import { Gate } from "../../../../test/support/gate.js";
import { morePolls, until } from "./until.js";
import { numbered } from "../../src/client/codes.js";

type Settings = Partial<FollowedSettings<string, string>>;

/** A refusal by a broker that may store the same commit when it is asked again. */
export const passing = (): KafkaConnectorError =>
  new KafkaConnectorError("COMMIT_FAILED", "not the coordinator", { retriable: true, ...numbered(16) });

/** A followed pipeline on a client at the hand of the test, which says when each record is done. */
export class Rig {
  readonly kafka: FakeKafka = new FakeKafka();
  readonly #gates: Gate[] = [new Gate()];

  /** Of the records that begin now. */
  get gate(): Gate {
    return this.#gates.at(-1) ?? expect.fail();
  }

  /** Tells the work that begins from now on from what has begun. */
  renewGate(): void {
    this.#gates.push(new Gate());
  }

  /** Lets what began before the gate was renewed end. */
  openEarlier(): void {
    for (const gate of this.#gates.slice(0, -1)) gate.open(...gate.started);
  }

  /** Waits for nothing that is in flight, as a process that has to go at once. */
  async close(control: DrainingControl<void>): Promise<void> {
    await control.drainAndShutdown({ timeoutMs: 1 }).catch(() => undefined);
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    control.streamCompletion.then(end, end);
    // The end of one may begin another.
    await until(() => {
      for (const gate of this.#gates) gate.open(...gate.started);
      return ended;
    }, "the stream to end");
    // The drain has not waited for that.
    await control.isShutdown.catch(() => undefined);
  }

  /** Works on so many records at a time, in any order. */
  run(settings: Settings = {}, atATime = 100): DrainingControl<void> {
    return sourceWithOffsetContext({ kafka: this.kafka.settings, topics: ["t"], value: string(), ...settings })
      .mapAsyncUnordered(atATime, ({ partition, offset }) => this.gate.pass(`${partition}@${offset}`))
      .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
      .run();
  }

  /** All positions that were sent for the partition, in order. */
  positions(partition = 0): readonly number[] {
    return this.kafka.client
      .of("commit")
      .flatMap(({ positions }) => positions)
      .filter((each) => each.partition === partition)
      .map(({ offset }) => offset);
  }

  committed(position: number, partition = 0): Promise<void> {
    return until(() => this.positions(partition).at(-1) === position, `position ${position} of ${partition}`);
  }

  started(...names: readonly string[]): Promise<void> {
    return until(() => names.every((name) => this.gate.started.includes(name)), `${names.join(", ")} to begin`);
  }

  /** Work that begins is done at once. */
  async openAsTheyBegin(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      await until(() => this.gate.started.length > index, `record ${index} of ${count}`);
      this.gate.open(this.gate.started[index] ?? "");
    }
  }

  async polls(count = 3): Promise<void> {
    await morePolls(this.kafka.client, count);
  }

  /** How long `f` takes, which is to wait for no deadline. */
  async promptly(f: () => Promise<unknown>): Promise<void> {
    const begin = performance.now();
    await f();
    expect(performance.now() - begin, "milliseconds").to.be.lessThan(5000);
  }
}

/** What is told of a partition. */
export const told = (control: DrainingControl<void>, partition = 0): PartitionExplanation | undefined =>
  control.explain().partitions.find((each) => each.partition === partition);
