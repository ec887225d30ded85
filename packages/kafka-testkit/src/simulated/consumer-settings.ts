import { type ClientProperties, KafkaConnectorError } from "@millrace/kafka";
import { type Assignor, assignorOf } from "./assignors.js";

/** The properties the simulation knows; others change nothing. */
export interface ConsumerSettings {
  readonly groupId: string;
  readonly clientId: string;
  readonly instanceId: string | undefined;
  readonly assignor: Assignor;
  readonly offsetReset: string;
  readonly sessionTimeoutMs: number;
  readonly maxPollIntervalMs: number;
}

export const clientIdOf = (properties: ClientProperties): string => String(properties["client.id"] ?? "rdkafka");

/** librdkafka's names and defaults. */
export const consumerSettings = (properties: ClientProperties): ConsumerSettings => {
  const groupId = String(properties["group.id"] ?? "");
  if (groupId === "") {
    throw new KafkaConnectorError("GROUP_ID_MISSING", "A consumer needs a `group.id`. Set it in the properties.");
  }
  const strategies = String(properties["partition.assignment.strategy"] ?? "range,roundrobin");
  const assignor = assignorOf(strategies);
  if (!assignor) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `No simulated assignor is called ${JSON.stringify(strategies)}. Use range, roundrobin or cooperative-sticky.`,
    );
  }
  const instanceId = properties["group.instance.id"];
  return {
    groupId,
    clientId: clientIdOf(properties),
    instanceId: instanceId === undefined || instanceId === "" ? undefined : String(instanceId),
    assignor,
    offsetReset: String(properties["auto.offset.reset"] ?? "largest"),
    sessionTimeoutMs: Number(properties["session.timeout.ms"] ?? 45_000),
    maxPollIntervalMs: Number(properties["max.poll.interval.ms"] ?? 300_000),
  };
};
