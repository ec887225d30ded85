/** Runs a pipeline; told so, drains it, says when the report has come, and is then to end by itself. */
import {
  committableSource,
  committerSink,
  DrainingControl,
  produce,
  producerFlow,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";

export interface DrainJob {
  readonly brokers: string;
  readonly topic: string;
  /** What is at work when the drain begins: nothing, or a handler that never ends beside a producer. */
  readonly pipeline: "idle" | "followed" | "endless";
  readonly timeoutMs: number;
  /** Ends the process once the report has come, as a service does; otherwise it is to end by itself. */
  readonly exits: boolean;
}

export type DrainNews =
  | { readonly news: "delivering" | "resolved" }
  | { readonly news: "rejected"; readonly code: string };

const job = JSON.parse(process.argv[2] ?? "") as DrainJob;
const tell = (news: DrainNews): void => void process.send?.(news);
const kafka = { brokers: job.brokers, groupId: job.topic };
const source = { kafka, topics: [job.topic], value: string() } as const;

const never = new Promise<never>(() => undefined);
const delivered = (): void => tell({ news: "delivering" });

const pipelines: Record<DrainJob["pipeline"], () => DrainingControl<void>> = {
  // Each record is done at once, so that commits are under way all the time.
  idle: () =>
    committableSource(source)
      .map(({ offset }) => {
        delivered();
        return offset;
      })
      .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from)
      .run(),
  followed: () =>
    sourceWithOffsetContext(source)
      .map(delivered)
      .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from)
      .run(),
  endless: () =>
    committableSource(source)
      .mapAsync(10, async ({ record, offset }) => {
        delivered();
        if (record.offset > 0) await never;
        return produce({ topic: `${job.topic}-out`, key: "k", value: record.value }, offset);
      })
      .via(producerFlow({ kafka: { brokers: job.brokers }, value: string() }))
      .map(({ passThrough }) => passThrough)
      .groupedWithin(10, 50)
      .mapConcat((offsets) => offsets)
      .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from)
      .run(),
};

const control = pipelines[job.pipeline]();
control.streamCompletion.catch(() => undefined);
const tellLast = (news: DrainNews): void => {
  process.send?.(news, undefined, undefined, () => {
    // From here on the channel keeps the process alive no longer.
    process.channel?.unref();
    if (job.exits) process.exit(0);
  });
};
process.once("message", () => {
  control.drainAndShutdown({ timeoutMs: job.timeoutMs }).then(
    () => tellLast({ news: "resolved" }),
    (error: unknown) => tellLast({ news: "rejected", code: String((error as { code?: unknown }).code) }),
  );
});
process.once("disconnect", () => process.exit(9));
