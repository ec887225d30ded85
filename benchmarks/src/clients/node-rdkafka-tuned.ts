import rdkafka from "node-rdkafka";
import { rdkafkaLoops, tuned } from "./rdkafka-loop.js";

export const works = rdkafkaLoops(rdkafka, tuned);
