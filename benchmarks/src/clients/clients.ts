import { createRequire } from "node:module";
import type { Works } from "./job.js";

const CONFLUENT = "@confluentinc/kafka-javascript";

interface ClientEntry {
  /** Loads the client: one in a process, for two bindings to librdkafka may clash. */
  readonly load: () => Promise<{ readonly works: Works }>;
  /** The package measured, and whose version is told. */
  readonly package: string;
  /** How it is made sure that nothing is committed before it is done, and nothing written twice. */
  readonly safe: string;
}

const entries = {
  millrace: {
    load: () => import("./millrace.js"),
    package: "@millrace/kafka",
    safe: "by the library: ledger and auditor; idempotent",
  },
  "millrace, with context": {
    load: () => import("./millrace-followed.js"),
    package: "@millrace/kafka",
    safe: "by the library, in any order; idempotent",
  },
  "node-rdkafka loop": {
    load: () => import("./node-rdkafka-tuned.js"),
    package: "node-rdkafka",
    safe: "by hand: commits after work or reports; idempotent",
  },
  "node-rdkafka as it comes": {
    load: () => import("./node-rdkafka.js"),
    package: "node-rdkafka",
    safe: "by hand: commits after work or reports; idempotent",
  },
  "confluent loop": {
    load: () => import("./confluent-rdkafka.js"),
    package: CONFLUENT,
    safe: "by hand: commits after work or reports; idempotent",
  },
  "confluent eachBatch": {
    load: () => import("./confluent-kafkajs.js"),
    package: CONFLUENT,
    safe: "by hand: commits after eachBatch or send; idempotent",
  },
  kafkajs: {
    load: () => import("./kafkajs.js"),
    package: "kafkajs",
    safe: "by hand: commits after eachBatch or send; idempotent, one send at a time",
  },
  platformatic: {
    load: () => import("./platformatic.js"),
    package: "@platformatic/kafka",
    safe: "by hand: commits after work or send; idempotent, one send at a time",
  },
} satisfies Record<string, ClientEntry>;

export type ClientName = keyof typeof entries;

export const clients: Readonly<Record<ClientName, ClientEntry>> = entries;

export const clientNames = Object.keys(entries) as readonly ClientName[];

const require = createRequire(import.meta.url);

/** Why it cannot be measured here; `undefined` where it can. */
export const whyMissing = (name: ClientName): string | undefined => {
  try {
    require.resolve(clients[name].package);
    return undefined;
  } catch {
    return `not measured: ${clients[name].package} is not installed (an optional dependency: the README says what its build needs)`;
  }
};
