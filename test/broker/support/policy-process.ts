/** A consumer whose records fail in every way, in a process of its own, which the test kills. Its job comes as JSON. */
import {
  committerSink,
  confluentDriver,
  deadLetters,
  discard,
  DrainingControl,
  handle,
  json,
  NotRetriableError,
  producerFlowWithContext,
  rdkafkaDriver,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";

export interface PolicyJob {
  readonly brokers: string;
  readonly topic: string;
  /** What was handled well is written here. */
  readonly to: string;
  readonly driver: "node-rdkafka" | "confluent";
}

/** What the handler does with a record: it works, fails once, fails always, hangs until its signal, ignores that, is refused. */
export const WAYS = ["works", "fails once", "fails", "hangs", "ignores", "refused"] as const;

export interface Task {
  readonly id: string;
  readonly way: (typeof WAYS)[number];
}

const { brokers, topic, to, driver } = JSON.parse(process.argv[2] ?? "") as PolicyJob;
const letters = deadLetters({ createTopics: true });
const kafka = {
  ...{ brokers, groupId: topic },
  driver: driver === "confluent" ? confluentDriver : rdkafkaDriver,
  // A static member takes its partitions over at once; a dynamic one would wait for the dead one's session to end.
  properties: { "group.instance.id": "policy", "session.timeout.ms": 6000 },
};

const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });

const control = sourceWithOffsetContext({
  ...{ kafka, topics: [topic], key: string(), value: json(), undecodable: letters },
  autoOffsetReset: "earliest",
})
  .via(
    handle(
      async ({ key, value }, { number, signal }) => {
        const { id, way } = value as Task;
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
        if (way === "fails" || (way === "fails once" && number === 1)) throw new Error("503");
        if (way === "refused") throw new NotRetriableError("nobody wants it");
        if (way === "hangs") await never(signal);
        if (way === "ignores") await new Promise(() => undefined);
        return { topic: to, key, value: id };
      },
      {
        ...{ parallelism: 32, attempts: 2, timeoutMs: 100, backoff: { minMs: 5 } },
        otherwise: ({ error }) => (error instanceof NotRetriableError ? discard("refused") : letters),
      },
    ),
  )
  .via(producerFlowWithContext({ kafka: { brokers, driver: kafka.driver }, value: string() }))
  .map((sent) => void process.send?.(sent.length))
  .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from)
  .run();

control.streamCompletion.catch((error: unknown) => {
  process.stderr.write(`the process failed: ${String(error)}\n`);
  process.exit(1);
});
process.on("message", () => {
  void control.drainAndShutdown().then(() => process.disconnect?.());
});
// The parent has died, or needs no more.
process.on("disconnect", () => process.exit());
