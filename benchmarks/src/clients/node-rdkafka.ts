import rdkafka from "node-rdkafka";
import { asItComes, rdkafkaLoops } from "./rdkafka-loop.js";

export const works = rdkafkaLoops(rdkafka, asItComes);
