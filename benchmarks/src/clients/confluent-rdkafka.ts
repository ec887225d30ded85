import { createRequire } from "node:module";
import { type Binding, rdkafkaLoops, tuned } from "./rdkafka-loop.js";

const { RdKafka } = createRequire(import.meta.url)("@confluentinc/kafka-javascript") as { readonly RdKafka: Binding };

export const works = rdkafkaLoops(RdKafka, tuned);
