import { Flow, FlowWithContext, Keep, Sink, type WithClaim } from "@millrace/streams";
import { type Committable, CommittableOffsetBatch } from "./offsets/batch.js";
import type { CommitterSettings } from "./settings/committer-settings.js";
import { committerSink } from "./committer.js";
import {
  isProducerFailure,
  produce,
  type ProducerEnvelope,
  type ProducerFailure,
  type ProducerRecord,
  type ProducerResult,
  type RecordMetadata,
} from "./records/messages.js";
import { FailedEnvelope } from "./producer/failed-envelope.js";
import { openerOf, producerLogger, type ProducerSettings } from "./producer/producer-settings.js";
import { recordEncoder } from "./producer/record-encoder.js";
import { type Delivery, deliveryReports } from "./producer/delivery-reports.js";
import { parseProducer } from "./settings/parse-producer.js";

/** Failures leave a producer flow as elements. */
export interface FailuresAsElements {
  /**
   * `"element"`: a record that fails does not fail the stream; a `ProducerFailure` takes the place of its envelope's
   * result, and supervision is not asked. What ends the client still fails the stream. Default: `"stream"`.
   */
  readonly failures: "element";
}

/** The first record that fails, fails the stream; adheres to supervision. */
export interface FailuresOfStream {
  readonly failures?: "stream";
}

const flow = <K, V, P>(
  name: string,
  settings: ProducerSettings<K, V>,
  emits: "results" | "failures too",
  onDropped?: (passThrough: P) => void,
): Flow<ProducerEnvelope<K, V, P>, Delivery<K, V, P>> => {
  const parsed = parseProducer(settings, name, emits === "results" ? [] : ["failures"]);
  return Flow.fromStage(
    deliveryReports<K, V, P>({
      name,
      open: openerOf(settings, parsed, name),
      logger: producerLogger(settings),
      parallelism: parsed.parallelism,
      maxInFlightBytes: parsed.maxInFlightBytes,
      failures: parsed.failures,
      encode: recordEncoder(settings),
      ...(onDropped && { onDropped }),
    }),
  );
};

/** A flow whose settings do not ask for failures emits none. */
const resultsOf = <K, V, P>(
  name: string,
  settings: ProducerSettings<K, V>,
  emits: "results" | "failures too" = "results",
): Flow<ProducerEnvelope<K, V, P>, ProducerResult<P>> =>
  flow(name, settings, emits) as Flow<ProducerEnvelope<K, V, P>, ProducerResult<P>>;

/**
 * Sends the records of each envelope and passes its pass-through on.
 * Emits, in input order, when every record of an envelope was acknowledged. Backpressures when `parallelism` records,
 * or `maxInFlightBytes`, are in flight, or the client's queue is full. Completes when upstream has completed and
 * everything is acknowledged; a failure of upstream waits for what was sent. A record that fails fails the stream, and
 * nothing queued behind it is sent any more; adheres to supervision: resume drops the envelope.
 * With `failures: "element"` it is emitted as a `ProducerFailure`, in order, and the records behind it are sent: those
 * of the same key too, so if you send it again it comes after them.
 *
 * @example
 * .via(producerFlow({ kafka, value: json(OrderLine) }))
 * .collect((result) => result.passThrough)
 * .toMat(committerSink(), DrainingControl.from);
 */
export const producerFlow: {
  <K = string, V = Buffer | null, PassThrough = unknown>(
    settings: ProducerSettings<K, V> & FailuresOfStream,
  ): Flow<ProducerEnvelope<K, V, PassThrough>, ProducerResult<PassThrough>>;
  <K = string, V = Buffer | null, PassThrough = unknown>(
    settings: ProducerSettings<K, V> & FailuresAsElements,
  ): Flow<ProducerEnvelope<K, V, PassThrough>, ProducerResult<PassThrough> | ProducerFailure<K, V, PassThrough>>;
} = <K, V, P>(settings: ProducerSettings<K, V>) => resultsOf<K, V, P>("producerFlow", settings, "failures too");

/**
 * Sends records and ends the stream; the promise settles once everything is acknowledged.
 *
 * @example
 * await Source.from(["a", "b"])
 *   .map((value) => ({ topic: "letters", value }))
 *   .runWith(producerSink({ producer, value: string() }));
 */
export const producerSink = <K = string, V = Buffer | null>(
  settings: ProducerSettings<K, V>,
): Sink<ProducerRecord<K, V>, Promise<void>> =>
  Flow.of<ProducerRecord<K, V>>()
    .map((record) => produce(record))
    .via(resultsOf<K, V, undefined>("producerSink", settings))
    .toMat(Sink.ignore, Keep.right);

/**
 * `producerFlow` and `committerSink` in one: sends the records of each envelope, then commits the offset it passes
 * through, in input order, so never before an earlier one is acknowledged. `undefined` finishes nothing: give the offset
 * to the last envelope of a record. The promise settles once everything is acknowledged and committed.
 *
 * With context this is `.via(producerFlowWithContext(settings)).to(committerSink())`.
 *
 * @example
 * .map(({ record, offset }) => produce({ topic: "shouts", key: record.key, value: record.value.toUpperCase() }, offset))
 * .toMat(committableSink({ kafka, value: string() }), DrainingControl.from);
 */
export const committableSink = <K = string, V = Buffer | null>(
  producerSettings: ProducerSettings<K, V>,
  committerSettings: CommitterSettings = {},
): Sink<ProducerEnvelope<K, V, Committable | undefined>, Promise<void>> =>
  resultsOf<K, V, Committable | undefined>("committableSink", producerSettings)
    // An empty batch instead of nothing keeps this one-to-one, as the graph check requires.
    .map((result) => result.passThrough ?? CommittableOffsetBatch.empty)
    .toMat(committerSink(committerSettings), Keep.right);

/** What a producer flow with context takes: one record, or the 0..n records of an envelope, which finish together. */
export type ProducerInput<K, V> = ProducerRecord<K, V> | readonly ProducerRecord<K, V>[];

const recordsOf = <K, V>(input: ProducerInput<K, V>): readonly ProducerRecord<K, V>[] =>
  Array.isArray(input) ? (input as readonly ProducerRecord<K, V>[]) : [input as ProducerRecord<K, V>];

type Sent = WithClaim<unknown>;

/** The pair an envelope came in; where its records were stored, or their failure, replaces them. */
const answered = <K, V>(delivery: Delivery<K, V, Sent>): Sent => {
  if (!isProducerFailure(delivery)) {
    delivery.passThrough.value = delivery.metadata;
    return delivery.passThrough;
  }
  const { error, failed, record, unfinished: pair } = delivery;
  pair.value = new FailedEnvelope(error, failed, record, undefined);
  return pair;
};

/**
 * `producerFlow` with context: sends the records of each element, none where it is an empty array, and passes on where
 * the broker put them. The claim of an element goes on once all its records were acknowledged. Otherwise as
 * `producerFlow`; what supervision drops ends as discarded. With `failures: "element"` the claim of an element that
 * failed goes on with the `ProducerFailure`, so that it can be parked: an unhandled one compiles in front of no sink.
 *
 * @example
 * const graph = sourceWithOffsetContext({ kafka, topics: ["words"], value: string() })
 *   .map(({ key, value }) => ({ topic: "shouts", key, value: value.toUpperCase() }))
 *   .via(producerFlowWithContext({ kafka, value: string() }))
 *   .toMat(committerSink(), DrainingControl.from);
 */
export const producerFlowWithContext: {
  <K = string, V = Buffer | null>(
    settings: ProducerSettings<K, V> & FailuresOfStream,
  ): FlowWithContext<ProducerInput<K, V>, readonly RecordMetadata[]>;
  <K = string, V = Buffer | null>(
    settings: ProducerSettings<K, V> & FailuresAsElements,
  ): FlowWithContext<ProducerInput<K, V>, readonly RecordMetadata[] | ProducerFailure<K, V>>;
} = <K, V>(settings: ProducerSettings<K, V>) => {
  const sending = flow<K, V, Sent>("producerFlowWithContext", settings, "failures too", ({ claim }) =>
    claim.end("discarded", "producerFlowWithContext failed, and supervision went on without it"),
  );
  return FlowWithContext.fromFlow(
    Flow.of<WithClaim<ProducerInput<K, V>>>()
      .map((pair: Sent): ProducerEnvelope<K, V, Sent> => {
        pair.claim.at("producerFlowWithContext");
        const records = recordsOf(pair.value as ProducerInput<K, V>);
        // The client copies keys and values; thousands of them would wait here for their reports.
        pair.value = undefined;
        return { records, passThrough: pair };
      })
      .via(sending)
      // The overload chosen by the settings says what it holds.
      .map((delivery) => answered(delivery) as WithClaim<readonly RecordMetadata[]>),
  );
};
