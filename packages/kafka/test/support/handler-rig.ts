import {
  type Committable,
  committableSource,
  committerSink,
  type ConsumerRecord,
  DrainingControl,
  handle,
  handleCommittable,
  type HandlePolicy,
  type HandlerAttempt,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { Logger, RunOptions } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { FakeKafka } from "./fake-kafka.js";
import type { FakeRecord } from "./fake-chunk.js";
import { p0, p1 } from "./pipelines.js";
import { until } from "./until.js";

export type Text = ConsumerRecord<string, string>;
export type Handle = (record: Text, attempt: HandlerAttempt) => unknown;

export const down: Error = new Error("503");

/** Calls of a handler that the test answers; named `partition@offset#attempt`. */
export class Calls {
  readonly begun: string[] = [];
  readonly attempts: HandlerAttempt[] = [];
  /** Those that were answered last. */
  readonly ended: Set<string> = new Set();
  readonly #open = new Map<string, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();

  readonly handle: Handle = ({ partition, offset }, attempt) => {
    const call = `${partition}@${offset}#${attempt.number}`;
    this.begun.push(call);
    this.ended.delete(call);
    this.attempts.push(attempt);
    return new Promise((resolve, reject) => this.#open.set(call, { resolve, reject }));
  };

  until(count: number): Promise<void> {
    return until(() => this.begun.length === count, `${count} calls`);
  }

  end(...calls: readonly string[]): void {
    for (const call of calls) {
      this.ended.add(call);
      this.#open.get(call)?.resolve(undefined);
    }
  }

  fail(call: string, error: unknown = down): void {
    this.ended.add(call);
    this.#open.get(call)?.reject(error);
  }
}

export type Surface = "handle" | "handleCommittable";
export const surfaces: readonly Surface[] = ["handle", "handleCommittable"];

/** A source of topic `t` on a fake client, whose records are handled by a policy, and committed. */
export class HandlerRig {
  readonly kafka: FakeKafka = new FakeKafka();
  readonly clock: VirtualClock = virtualClock();
  readonly warnings: string[] = [];
  readonly errors: string[] = [];

  readonly #logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message) => void this.warnings.push(message),
    error: (message) => void this.errors.push(message),
  };

  get settings() {
    return { kafka: { ...this.kafka.settings, logger: this.#logger }, topics: ["t"], value: string() };
  }

  async start(
    surface: Surface,
    f: Handle,
    policy: Partial<HandlePolicy> = {},
    options: RunOptions = {},
  ): Promise<DrainingControl<void>> {
    const whole: HandlePolicy = { otherwise: "stop", logger: this.#logger, backoff: { jitter: 0 }, ...policy };
    const committer = committerSink({ maxBatch: 1, maxIntervalMs: 1 });
    const graph =
      surface === "handle"
        ? sourceWithOffsetContext(this.settings)
            .via(handle<Text, unknown>(f, whole))
            .map(() => undefined)
            .toMat(committer, DrainingControl.from)
        : committableSource(this.settings)
            .via(handleCommittable<Text>(f, whole as HandlePolicy & { order?: "key" }))
            .map((offset): Committable => offset)
            .toMat(committer, DrainingControl.from);
    const control = graph.run({ clock: this.clock, ...options });
    control.streamCompletion.catch(() => undefined);
    await this.kafka.client.assign(p0, p1);
    return control;
  }

  give(...records: readonly FakeRecord[]): void {
    this.kafka.client.give(records);
  }

  get committed(): readonly number[] {
    return this.kafka.client.of("commit").flatMap(({ positions }) => positions.map(({ offset }) => offset));
  }

  /** Committers wait for virtual time, and the client answers in real time. */
  async commitsUp(position: number): Promise<void> {
    let isOver = false;
    const advancing = (async () => {
      while (!isOver) await this.clock.advance(1);
    })();
    await until(() => this.committed.at(-1) === position, `the commit of ${position}`).finally(() => (isOver = true));
    await advancing;
  }
}

export const record = (offset: number, key: string | null = "k", partition = 0): FakeRecord => ({
  ...{ topic: "t", partition, offset, key, value: "v" },
});

/** Hands a new rig to each test, and checks the rules of the port behind it. */
export const withFreshRig = (use: (rig: HandlerRig) => void): void => {
  let rig: HandlerRig;
  beforeEach(() => {
    rig = new HandlerRig();
    use(rig);
  });
  afterEach(() => rig.kafka.verify());
};
