import { type ClientProperties, KafkaConnectorError } from "@millrace/kafka";
import { type Assign, type Assignor, assignorsOf, remoteAssignorOf } from "../broker/assignors.js";
import type { Isolation } from "../broker/log.js";

/** Who assigns: the members' leader, or the broker. */
export type GroupProtocol =
  /** The preferred assignor first; all are eager, or all cooperative. */
  | { readonly name: "classic"; readonly assignors: readonly Assignor[] }
  | { readonly name: "consumer"; readonly assign: Assign };

/** The properties the simulation knows; others change nothing. */
export interface ConsumerSettings {
  readonly groupId: string;
  readonly clientId: string;
  readonly instanceId: string | undefined;
  readonly protocol: GroupProtocol;
  readonly offsetReset: string;
  readonly isolation: Isolation;
  readonly sessionTimeoutMs: number;
  readonly maxPollIntervalMs: number;
  readonly metadataRefreshMs: number;
}

export const clientIdOf = (properties: ClientProperties): string => String(properties["client.id"] ?? "rdkafka");

/** How often a client looks at the topics. */
export const metadataRefreshMsOf = (properties: ClientProperties): number =>
  Number(properties["topic.metadata.refresh.interval.ms"] ?? 300_000);

/** librdkafka's names and defaults. */
export const consumerSettings = (properties: ClientProperties): ConsumerSettings => {
  const groupId = String(properties["group.id"] ?? "");
  if (groupId === "") {
    throw new KafkaConnectorError("GROUP_ID_MISSING", "A consumer needs a `group.id`. Set it in the properties.");
  }
  const instanceId = properties["group.instance.id"];
  return {
    groupId,
    clientId: clientIdOf(properties),
    instanceId: instanceId === undefined || instanceId === "" ? undefined : String(instanceId),
    protocol: properties["group.protocol"] === "consumer" ? consumerProtocol(properties) : classicProtocol(properties),
    offsetReset: String(properties["auto.offset.reset"] ?? "largest"),
    isolation: properties["isolation.level"] === "read_uncommitted" ? "read_uncommitted" : "read_committed",
    sessionTimeoutMs: Number(properties["session.timeout.ms"] ?? 45_000),
    maxPollIntervalMs: Number(properties["max.poll.interval.ms"] ?? 300_000),
    metadataRefreshMs: metadataRefreshMsOf(properties),
  };
};

const classicProtocol = (properties: ClientProperties): GroupProtocol => {
  const strategies = String(properties["partition.assignment.strategy"] ?? "range,roundrobin");
  const assignors = assignorsOf(strategies);
  if (new Set(assignors.map(({ cooperative }) => cooperative)).size > 1) {
    throw refused(`${JSON.stringify(strategies)} mixes eager and cooperative assignors. Use either.`);
  }
  if (assignors.length > 0) return { name: "classic", assignors };
  throw refused(
    `No simulated assignor is called ${JSON.stringify(strategies)}. Use range, roundrobin or cooperative-sticky.`,
  );
};

/** What the broker decides in this protocol; librdkafka refuses it beside it. */
const BROKER_SIDE = [
  "session.timeout.ms",
  "partition.assignment.strategy",
  "group.protocol.type",
  "heartbeat.interval.ms",
];

const consumerProtocol = (properties: ClientProperties): GroupProtocol => {
  const key = BROKER_SIDE.find((each) => each in properties);
  if (key !== undefined)
    throw refused(`\`${key}\` is decided by the broker where group.protocol is consumer. Remove it.`);
  const name = String(properties["group.remote.assignor"] ?? "uniform");
  const assign = remoteAssignorOf(name);
  if (assign) return { name: "consumer", assign };
  throw refused(`No simulated broker has an assignor called ${JSON.stringify(name)}. Use uniform or range.`);
};

const refused = (message: string): KafkaConnectorError => new KafkaConnectorError("INVALID_SETTINGS", message);
