import {
  attempt,
  type Attempt,
  type ClientProperties,
  type CommittableOffset,
  CommittableOffsetBatch,
  committableSource,
  committerSink,
  DrainingControl,
  json,
  type KafkaSettings,
  passThrough,
  produce,
  producerFlow,
} from "@millrace/kafka";
import type { RunnableGraph } from "@millrace/streams";
import { Order, OrderLine } from "./orders.js";

/** Orders that one kill may make to be done again. */
export const MAX_REPLAY = 200;

export interface OrdersPipeline {
  readonly kafka: KafkaSettings;
  readonly topics: { readonly orders: string; readonly lines: string };
  /** librdkafka properties that say who this process is to its consumer group. */
  readonly membership: ClientProperties;
  /** From a decoded order, or the failure to decode one, to its priced lines. */
  readonly enrich: (order: Attempt<Order>) => Promise<readonly OrderLine[]>;
  /** Sees the offset of every order whose lines are all acknowledged, and answers it. */
  readonly finished: (offset: CommittableOffset) => CommittableOffset;
}

/** From orders to their priced lines, at least once: an order's offset is committed after its last line is acknowledged. */
export const ordersPipeline = ({
  kafka,
  topics,
  membership,
  enrich,
  finished,
}: OrdersPipeline): RunnableGraph<DrainingControl<void>> =>
  committableSource({
    kafka,
    topics: [topics.orders],
    value: attempt(json(Order)),
    properties: membership,
    maxReplay: { records: MAX_REPLAY },
  })
    .mapAsync(32, async ({ record, offset }) => ({ lines: await enrich(record.value), offset }))
    .mapConcat(({ lines, offset }) =>
      lines.length === 0
        ? [passThrough(offset)] // nothing to send, but the order is finished all the same
        : lines.map((line, i) =>
            produce({ topic: topics.lines, key: line.id, value: line }, i === lines.length - 1 ? offset : undefined),
          ),
    )
    .via(producerFlow({ kafka, value: json(OrderLine) }))
    .collect((result) => result.passThrough)
    .map(finished)
    .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
    .toMat(committerSink({ maxIntervalMs: 1_000 }), DrainingControl.from);
