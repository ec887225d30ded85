export interface NodePorts {
  readonly broker: number;
  readonly controller: number;
}

/** Broker properties that make a cluster small, quick to start and patient with short timeouts of tests. */
export function testProperties(brokers: number): Readonly<Record<string, string>> {
  const replicas = String(brokers);
  const inSync = String(Math.max(1, brokers - 1));
  return {
    "auto.create.topics.enable": "true",
    "num.partitions": "4",
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    // The default reserves 128 MB, a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": "4194304",
    // A killed broker is missed after this time, and is not let in again before it: by default 9 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
  };
}

/**
 * The text of a `server.properties` for node `id`, counted from 1, of the cluster whose ports are `ports`. Listeners among
 * `properties` come beside those of the cluster: it is through these that its brokers reach each other and are found ready.
 */
export function serverProperties(
  id: number,
  ports: readonly NodePorts[],
  directory: string,
  properties: Readonly<Record<string, string>>,
): string {
  const own = ports[id - 1];
  if (own === undefined) throw new RangeError(`There is no node ${id} among ${ports.length}`);
  const all = {
    ...testProperties(ports.length),
    ...properties,
    "process.roles": "broker,controller",
    "node.id": String(id),
    "controller.quorum.voters": ports.map((port, index) => `${index + 1}@127.0.0.1:${port.controller}`).join(","),
    "controller.listener.names": "CONTROLLER",
    listeners: and(
      `PLAINTEXT://127.0.0.1:${own.broker},CONTROLLER://127.0.0.1:${own.controller}`,
      properties["listeners"],
    ),
    "advertised.listeners": and(`PLAINTEXT://127.0.0.1:${own.broker}`, properties["advertised.listeners"]),
    "log.dirs": directory,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${escapeValue(value)}\n`)
    .join("");
}

function and(listeners: string, more: string | undefined): string {
  return more === undefined ? listeners : `${listeners},${more}`;
}

// In the format of java.util.Properties a backslash starts an escape and a line end ends the value.
function escapeValue(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
}
