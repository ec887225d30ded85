/** Reads a topic and tells each record's offset; the records it is told to hold never finish. Until it is killed. */
import { committerSink, confluentDriver, DrainingControl, sourceWithOffsetContext } from "@millrace/kafka";

export interface RememberJob {
  readonly brokers: string;
  readonly topic: string;
  readonly hold: readonly number[];
}

export type RememberNews =
  | { readonly delivered: number }
  | { readonly behindWatermark: number; readonly committed: number | undefined };

const job = JSON.parse(process.argv[2] ?? "") as RememberJob;
const tell = (news: RememberNews): void => void process.send?.(news);

const control = sourceWithOffsetContext({
  kafka: { brokers: job.brokers, groupId: job.topic, driver: confluentDriver },
  topics: [job.topic],
  rememberFinished: true,
  properties: { "session.timeout.ms": 6000 },
})
  .mapAsyncUnordered(100, async ({ offset }) => {
    tell({ delivered: offset });
    if (job.hold.includes(offset)) await new Promise(() => undefined);
  })
  .toMat(committerSink({ maxIntervalMs: 20 }), DrainingControl.from)
  .run();

control.streamCompletion.catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
setInterval(() => {
  for (const { behindWatermark, committed } of control.explain().partitions) tell({ behindWatermark, committed });
}, 50);
process.once("disconnect", () => process.exit(1));
