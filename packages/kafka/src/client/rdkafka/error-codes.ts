import { KafkaConnectorError, type KafkaErrorCode } from "../../errors/errors.js";
import { CODE, numbered } from "../codes.js";
import { errorCodes, errorText, type NativeError } from "./native.js";

/** librdkafka or the broker may succeed when the same call is made again. */
const RETRIABLE: ReadonlySet<number> = new Set([
  // Local: bad message, transport, resolve, message timed out, all brokers down, timed out, queue full.
  -199, -195, -193, -192, -187, -185, -184,
  // Local: waiting for the coordinator, in progress, previous in progress, timed out in queue, waiting for the cache, retry.
  -180,
  -178, -177, -166, -164, -153,
  // Local: unknown broker, maximum poll interval exceeded (the next poll rejoins), assignment lost.
  -147, -146, -142,
  // Broker: corrupt message, unknown topic or partition, leader unknown or elsewhere, timeout, broker or replica missing.
  2,
  3, 5, 6, 7, 8, 9,
  // Broker: network, coordinator loading, missing or elsewhere, too few replicas, rebalance in progress.
  13, 14, 15, 16, 19, 20, 27,
  // Broker: controller elsewhere, concurrent transactions, storage, fetch sessions, leader epochs.
  41, 51, 56, 70, 71, 74, 75,
  // Broker: offset or leader not available, unstable offset, throttled, unknown topic id, stale member epoch.
  78, 80, 83, 88, 89, 100, 113,
]);

/** The client is of no further use. */
const FATAL: ReadonlySet<number> = new Set([
  CODE.fatal,
  CODE.fenced,
  CODE.fencedInstance,
  CODE.unreleasedInstance,
  CODE.invalidProducerEpoch,
  CODE.producerFenced,
]);

const ADVICE: ReadonlyMap<number, string> = new Map([
  [CODE.transport, "Check that the brokers are up and that `security.protocol` is the one they speak."],
  [-193, "Check the host names in `bootstrap.servers` and those the brokers advertise."],
  [CODE.messageTimedOut, "Check that the brokers are reachable, or raise `message.timeout.ms`."],
  [CODE.unknownPartition, "Send to a partition the topic has, or leave the choice to the partitioner."],
  [CODE.unknownTopic, "Create the topic, or correct its name."],
  [-187, "Check `bootstrap.servers` and the network; the client goes on trying."],
  [CODE.timedOut, "Try again; if it stays, check the brokers' load and the network."],
  [-181, "Check the `ssl.*` properties and the brokers' certificates."],
  [-169, "Check the `sasl.*` properties; the client goes on trying."],
  [CODE.fatal, "Close this client and start a new one."],
  [
    CODE.fencedInstance,
    "Another consumer has joined the group with the same `group.instance.id`: give each an id of its own. Of two that follow each other, end the old one first.",
  ],
  [
    CODE.unreleasedInstance,
    "Another member of the group has the same `group.instance.id`: give each consumer an id of its own. One that died keeps it until its session ends at the broker.",
  ],
  [-147, "Make the stages behind the source faster, or raise `max.poll.interval.ms`; the next poll rejoins the group."],
  [-140, "There is no valid offset: commit one, assign one, or set `auto.offset.reset` to `earliest` or `latest`."],
  [3, "Create the topic, or correct its name."],
  [
    CODE.fenced,
    "Another producer has the same `transactional.id`, or a transaction outlived its timeout: close this one, and let one process use each id.",
  ],
  [CODE.messageTooLarge, "Send smaller records, or raise `message.max.bytes` here and on the broker."],
  [22, "The group has rebalanced: these partitions belong to another member, which reads the records again."],
  [CODE.invalidTopic, "A name has 1 to 249 letters, digits, '.', '_' and '-'."],
  [CODE.topicExists, "Use it as it is, or delete it first."],
  [37, "A topic has at least one partition, and never fewer than before."],
  [38, "Ask for no more copies than there are brokers."],
  [25, "The group no longer knows this member: these partitions belong to another one, which reads the records again."],
  [
    26,
    "Set `sessionTimeoutMs` within the brokers' `group.min.session.timeout.ms` and `group.max.session.timeout.ms`, 6000 and 1 800 000 by default.",
  ],
  [27, "The group rebalances: commit again after it, for the partitions that are still assigned."],
  [CODE.topicForbidden, "Grant this user access to the topic."],
  [30, "Grant this user access to the consumer group."],
  [
    CODE.clusterForbidden,
    "Grant this user to write to a topic, which an idempotent producer may need before its first record, or set `enable.idempotence` to false.",
  ],
  [CODE.transactionForbidden, "Grant this user access to the transactional id."],
  [113, "The group has moved on: commit again, for the partitions that are still assigned."],
]);

let codesByText: ReadonlyMap<string, number> | undefined;

/** The part of an error text which survives node-rdkafka: without its origin, in lower case. */
function normalized(text: string): string {
  const parts = text.split(": ");
  return (parts[1] ?? text).toLowerCase();
}

/** The code whose text this is; node-rdkafka gives only the text on `event.error` and on failed delivery reports. */
export function codeOfText(text: string): number | undefined {
  codesByText ??= new Map(Object.values(errorCodes()).map((code) => [normalized(errorText(code)), code] as const));
  return codesByText.get(normalized(text));
}

/** The client's code, from the error itself or rebuilt from its text. */
export function codeOf(error: NativeError): number | undefined {
  if (typeof error === "number") return error;
  if (typeof error !== "object" || error === null) return undefined;
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  // -1 is what node-rdkafka writes when it has lost the code.
  if (typeof code === "number" && code !== -1) return code;
  return typeof message === "string" ? (codeOfText(message) ?? (code === -1 ? -1 : undefined)) : undefined;
}

function textOf(error: NativeError, clientCode: number | undefined): string {
  if (clientCode !== undefined && clientCode !== -1) {
    const name = errorText(clientCode);
    const message = (error as { readonly message?: unknown } | null)?.message;
    // Some carry a reason that says more than the code's own text.
    const more = typeof message === "string" && normalized(message) !== normalized(name) ? `: ${message}` : "";
    return `${name} (${clientCode})${more}`;
  }
  return error instanceof Error || (typeof error === "object" && error !== null && "message" in error)
    ? String((error as { readonly message: unknown }).message)
    : String(error);
}

/**
 * Wraps whatever node-rdkafka threw or reported; `what` says which call failed, `next` what to do where no code says
 * it.
 */
export function connectorError(
  code: KafkaErrorCode,
  what: string,
  error: NativeError,
  next?: string,
): KafkaConnectorError {
  if (error instanceof KafkaConnectorError) return error;
  const clientCode = codeOf(error);
  const advice = next ?? (clientCode === undefined ? undefined : ADVICE.get(clientCode));
  const message = `${what}: ${textOf(error, clientCode).replace(/\.$/, "")}.${advice === undefined ? "" : ` ${advice}`}`;
  const native = error as { readonly isFatal?: boolean; readonly isRetriable?: boolean } | null | undefined;
  return new KafkaConnectorError(code, message, {
    ...numbered(clientCode),
    retriable: native?.isRetriable ?? (clientCode !== undefined && RETRIABLE.has(clientCode)),
    fatal: native?.isFatal ?? (clientCode !== undefined && FATAL.has(clientCode)),
    cause: error,
  });
}

/**
 * What ends a producer when the client reports it beside the records; a report or a call may fail by the same codes without.
 * librdkafka says "fatal", and the bindings lose it.
 */
const ENDS_PRODUCER: ReadonlySet<number | undefined> = new Set([
  CODE.clusterForbidden,
  CODE.transactionForbidden,
  // Unsupported feature, gapless guarantee, inconsistent state.
  -165,
  -148,
  -149,
  // Broker: out of order sequence number, transaction timeout, unknown producer id.
  45,
  50,
  59,
]);

/** An error that a producer reported, of no record. */
export function producerError(error: NativeError): KafkaConnectorError {
  const failure = connectorError("CLIENT_FAILED", "The producer reported an error", error);
  if (failure.fatal || !ENDS_PRODUCER.has(failure.clientCode)) return failure;
  return new KafkaConnectorError(failure.code, failure.message, {
    ...numbered(failure.clientCode),
    fatal: true,
    cause: error,
  });
}
