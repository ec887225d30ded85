import { Flow, FlowWithContext, type WithClaim } from "@millrace/streams";
import { changed, Guard, guardedFlow, mapAsyncPartitioned, type Run } from "@millrace/streams/stage";
import type { ConsumerSession } from "./consumer/consumer-session.js";
import { keepRaw, rawOf } from "./consumer/stages/raw-records.js";
import { groupOf, sessionsOf } from "./consumer/stages/run-sessions.js";
import type { HealthReason } from "./consumer/recovery/health.js";
import { KafkaConnectorError } from "./errors/errors.js";
import type { Carrying } from "./handling/carrying.js";
import { Handler } from "./handling/handler.js";
import { orderKeyOf } from "./handling/order-key.js";
import type { Handled, HandlerAttempt } from "./handling/running-attempt.js";
import { RecordClaim } from "./ledger/record-claim.js";
import type { CommittableOffset } from "./offsets/committable-offset.js";
import { type DeadLetterOptions, isDeadLetters } from "./settings/dead-letter-settings.js";
import { type HandlePolicy, type ParsedPolicy, parsePolicy } from "./settings/handle-settings.js";

const ENDED = new Error("The stream has ended.");

/** Elements that may wait for one of their key, for each that is handled. */
const WAITING_PER_CALL = 4;

/** Where records may go to dead letters, they are kept as they came, and topics that are known are looked for at once. */
const prepareLetters = (run: Run, { otherwise }: ParsedPolicy): void => {
  if (isDeadLetters(otherwise)) for (const { letters } of sessionsOf(run)) letters.check(otherwise);
  if (isDeadLetters(otherwise) || typeof otherwise === "function") keepRaw(run);
};

const park = async (
  run: Run,
  of: unknown,
  options: DeadLetterOptions,
  { error, attempts }: { readonly error: unknown; readonly attempts: number },
  isOf: (session: ConsumerSession) => boolean,
): Promise<void> => {
  const raw = rawOf(of);
  const session = sessionsOf(run).find(isOf);
  if (raw && session) return session.letters.write(raw, { error, attempts }, options);
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    "deadLetters() needs the record as it came: let handle() follow its source, before records are grouped or joined.",
  );
};

const handlerOf = <C, R extends Handled, B, Out>(
  name: string,
  f: (record: R, attempt: HandlerAttempt) => B | PromiseLike<B>,
  policy: ParsedPolicy,
  carrying: Carrying<C, R, B, Out>,
  run: Run,
): Handler<C, R, B, Out> => {
  const handler = new Handler({ name, f, policy, carrying, clock: run.clock, groupOf: () => groupOf(run) });
  prepareLetters(run, policy);
  const trouble = (): HealthReason | undefined =>
    handler.trouble === undefined ? undefined : { code: "HANDLERS_FAILING", message: `${name}: ${handler.trouble}` };
  // One of several sources speaks for the stage.
  const troubles = sessionsOf(run)[0]?.stageTroubles;
  troubles?.add(trouble);
  run.onEnd(() => {
    handler.close(ENDED);
    troubles?.delete(trouble);
  });
  return handler;
};

const carryingClaims = <R, B>(guard: Guard): Carrying<WithClaim<R>, R & Handled, B, WithClaim<B>> => ({
  recordOf: (pair) => pair.value as R & Handled,
  done: (pair, value) => changed(pair, value),
  ended: ({ claim }, outcome, reason) => {
    claim.end(outcome, reason);
    throw Guard.dropped;
  },
  park: ({ claim }, options, error, attempts) =>
    park(guard.run as Run, claim, options, { error, attempts }, ({ partitions }) =>
      [...partitions].some((owned) => claim instanceof RecordClaim && claim.owner === owned),
    ),
  failed: ({ claim }, error) => guard.decided(error, claim),
  at: ({ claim }, place) => claim.at(place),
  isGone: ({ claim }) => claim instanceof RecordClaim && claim.isFenced,
});

/**
 * Calls `f` for each record until it succeeds or has failed for good, and says what becomes of it then: the default pipeline
 * of a consumer in one operator.
 *
 * Records of a key are handled one after the other, each with its retries; records of other keys go on. An attempt that
 * fails is followed by another, after a growing delay, where that may help: not after a mistake in the program (a TypeError
 * without a cause, a RangeError, …), an answer 4xx of HTTP other than 408, 425 and 429, or a `NotRetriableError`.
 * A record that has failed for good is treated as `otherwise` says: `"stop"` fails the stream, and the record stays
 * unfinished; `discard(reason)` ends it as discarded, and logs it; `deadLetters()` writes it to another topic, and ends it
 * once it is stored there. Only an attempt counts: a stream that ends, or a partition that is given up, leaves the record
 * unfinished, to be read again.
 *
 * Emits results as they come; those of a key in input order. Backpressures when `parallelism` records are handled, or 4 ×
 * `parallelism` wait for one of their key. Completes when upstream has completed and all is handled. What stops the stream
 * adheres to supervision: resume discards the record. Throws `INVALID_SETTINGS` for a policy that is none.
 *
 * @example
 * sourceWithOffsetContext({ kafka, topics: ["orders"], value: json(Order) })
 *   .via(
 *     handle(({ value }, { signal, idempotencyKey }) => deliver(value, { signal, idempotencyKey }), {
 *       timeoutMs: 10_000,
 *       otherwise: discard("could not be shipped"),
 *     }),
 *   )
 *   .toMat(committerSink(), DrainingControl.from),
 */
export const handle = <R extends Handled, B>(
  f: (record: R, attempt: HandlerAttempt) => B | PromiseLike<B>,
  policy: HandlePolicy,
): FlowWithContext<R, B> => {
  const name = "handle";
  const parsed = parsePolicy(policy, name);
  const { order, parallelism } = parsed;
  const stage = guardedFlow<WithClaim<R>, WithClaim<B>>(
    name,
    (guard) => {
      const handler = guard.run && handlerOf(guard.name, f, parsed, carryingClaims<R, B>(guard), guard.run);
      const call = (pair: WithClaim<R>) => {
        pair.claim.at(guard.name);
        return handler?.handle(pair);
      };
      const pairs = Flow.of<WithClaim<R>>();
      const keyOf = order === "none" ? undefined : orderKeyOf(order);
      const handled = keyOf
        ? pairs.mapAsyncPartitionedUnordered(parallelism, ({ value }) => keyOf(value), call)
        : pairs.mapAsyncUnordered(parallelism, call);
      return handled.blueprint;
    },
    false,
  );
  const { order: kept = "lost" } = stage.traits ?? {};
  return FlowWithContext.fromFlow(Flow.fromStage({ ...stage, traits: { order: kept, elements: "mayDrop" } }));
};

type Message<R> = { readonly record: R; readonly offset: CommittableOffset };

/**
 * `handle` for offsets that are carried: answers the offset of each record that was handled or left out, in input order, so a
 * record that waits for its next attempt holds back those behind it, once 4 × `parallelism` wait. Order is by key
 * or by partition. Otherwise as `handle`.
 *
 * @example
 * committableSource({ kafka, topics: ["orders"], value: json(Order) })
 *   .via(handleCommittable(({ value }, { signal }) => deliver(value, { signal }), { otherwise: "stop" }))
 *   .toMat(committerSink(), DrainingControl.from),
 */
export const handleCommittable = <R extends Handled>(
  f: (record: R, attempt: HandlerAttempt) => unknown,
  policy: HandlePolicy & { readonly order?: "key" | "partition" },
): Flow<Message<R>, CommittableOffset> => {
  const name = "handleCommittable";
  const parsed = parsePolicy(policy, name);
  const { order, parallelism } = parsed;
  if (order === "none") {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${name}: order is "none", but offsets that are carried leave in their order. Take "key" or "partition", or handle() with sourceWithOffsetContext.`,
    );
  }
  const keyOf = orderKeyOf(order);
  const carryingIn = (run: Run): Carrying<Message<R>, R, unknown, CommittableOffset> => ({
    recordOf: ({ record }) => record,
    done: ({ offset }) => offset,
    ended: ({ offset }) => offset,
    park: ({ offset }, options, error, attempts) =>
      park(run, offset, options, { error, attempts }, ({ commits }) => commits === offset.owner),
    failed: (_, error) => error,
    at: () => undefined,
    isGone: ({ offset }) => !offset.owner.owns(offset, offset.epoch),
  });
  return Flow.fromStage({
    name,
    traits: { order: "kept", elements: "kept" },
    create(upstream, run) {
      const handler = handlerOf(name, f, parsed, carryingIn(run), run);
      return mapAsyncPartitioned<Message<R>, unknown, CommittableOffset>({
        ...{ parallelism, waiting: WAITING_PER_CALL * parallelism },
        key: ({ record }) => keyOf(record),
        f: (message) => handler.handle(message),
      }).create(upstream, run);
    },
  });
};
