import { KafkaConnectorError } from "../../errors/errors.js";
import type { ClientProperties } from "../port.js";

/** Callbacks and switches by which the driver hears of rebalances, commits, reports and errors. */
const DRIVER_OWNED = [
  "rebalance_cb",
  "offset_commit_cb",
  "dr_cb",
  "dr_msg_cb",
  "event_cb",
  "delivery.report.only.error",
];

/**
 * At the default of 10 000 ms a client may notice ten seconds late that its broker is back, and a commit that waits for it
 * is over its time by then.
 */
const RECONNECT_MAX_MS = 2000;

const METADATA_DEFAULTS: ClientProperties = {
  // At the default of 5 min a new partition, or a new topic that a pattern matches, stays unread for that long.
  "topic.metadata.refresh.interval.ms": 30_000,
  // The default, which would shrink with the above to 90 s: what is known of a cluster has to outlast its outages.
  "metadata.max.age.ms": 900_000,
};

const CONSUMER_DEFAULTS: ClientProperties = {
  "reconnect.backoff.max.ms": RECONNECT_MAX_MS,
  ...METADATA_DEFAULTS,
  // At the default of 1000 ms a partition pauses for a second whenever the shared queue is full: less than half the rate.
  "fetch.queue.backoff.ms": 5,
  // Millrace commits what was processed; the client would commit what was handed over.
  "enable.auto.commit": false,
  // Positions to commit are always named explicitly.
  "enable.auto.offset.store": false,
  // An idle connection that a firewall dropped is noticed.
  "socket.keepalive.enable": true,
};

const PRODUCER_DEFAULTS: ClientProperties = {
  "reconnect.backoff.max.ms": RECONNECT_MAX_MS,
  ...METADATA_DEFAULTS,
  // Retries neither duplicate nor reorder records.
  "enable.idempotence": true,
  // Fills batches under load without a delay that people notice.
  "linger.ms": 5,
  // A full queue is the backpressure; 10 000 keeps the rate of an unbounded one and bounds memory.
  "queue.buffering.max.messages": 10_000,
  // An idle connection that a firewall dropped is noticed.
  "socket.keepalive.enable": true,
};

/**
 * The consumer's properties with the driver's defaults below the user's; refuses what would break the driver. Ends of
 * partitions are reported only to a listener that asks for them.
 */
export function consumerProperties(properties: ClientProperties, reportsEnds = false): ClientProperties {
  refuseDriverOwned(properties);
  const groupId = properties["group.id"];
  if (typeof groupId !== "string" || groupId === "") {
    throw new KafkaConnectorError(
      "GROUP_ID_MISSING",
      "A consumer needs a `group.id`, also with a manual assignment. Set it to the name of your application.",
    );
  }
  for (const key of ["enable.auto.commit", "auto.commit.enable"]) {
    if (String(properties[key]) === "true") {
      throw new KafkaConnectorError(
        "AUTO_COMMIT_REFUSED",
        `\`${key}\` is true, which commits records before they are processed. Remove it and commit through a committer.`,
      );
    }
  }
  return { ...withDefaults(CONSUMER_DEFAULTS, properties), "enable.partition.eof": reportsEnds };
}

/** The producer's properties with the driver's defaults below the user's; refuses what would break the driver. */
export function producerProperties(properties: ClientProperties): ClientProperties {
  refuseDriverOwned(properties);
  const merged = withDefaults(PRODUCER_DEFAULTS, properties);
  // Two names of one setting: the one set last would win, and that must not be the default.
  if ("queue.buffering.max.ms" in properties && !("linger.ms" in properties)) delete merged["linger.ms"];
  if (!("enable.idempotence" in properties) && contradictsIdempotence(properties)) delete merged["enable.idempotence"];
  return merged;
}

function withDefaults(
  defaults: ClientProperties,
  properties: ClientProperties,
): Record<string, string | number | boolean> {
  const merged = { ...defaults, ...properties };
  // librdkafka refuses a longest pause below the first one; a default must not forbid what the user asked for.
  const first = Number(properties["reconnect.backoff.ms"] ?? 0);
  if (first > RECONNECT_MAX_MS && !("reconnect.backoff.max.ms" in properties))
    delete merged["reconnect.backoff.max.ms"];
  // librdkafka derives an age that fits.
  const refreshes = "topic.metadata.refresh.interval.ms" in properties;
  if (refreshes && !("metadata.max.age.ms" in properties)) delete merged["metadata.max.age.ms"];
  return merged;
}

/** librdkafka refuses these beside `enable.idempotence`; a default must not forbid what the user asked for. */
function contradictsIdempotence(properties: ClientProperties): boolean {
  const acks = properties["acks"] ?? properties["request.required.acks"] ?? "all";
  const inFlight = properties["max.in.flight"] ?? properties["max.in.flight.requests.per.connection"] ?? 5;
  const retries = properties["retries"] ?? properties["message.send.max.retries"] ?? 1;
  return (
    !["all", "-1"].includes(String(acks)) ||
    Number(inFlight) > 5 ||
    Number(retries) < 1 ||
    properties["queuing.strategy"] === "lifo"
  );
}

function refuseDriverOwned(properties: ClientProperties): void {
  const key = DRIVER_OWNED.find((owned) => owned in properties);
  if (key !== undefined) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `\`${key}\` belongs to the driver. Remove it from the properties.`,
    );
  }
}
