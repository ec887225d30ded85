import { Kafka, logLevel, Partitioners } from "kafkajs";
import type { ClientJob } from "./job.js";
import { kafkaJsLoops } from "./kafkajs-loop.js";

const client = ({ brokers }: ClientJob): Kafka => new Kafka({ brokers: brokers.split(","), logLevel: logLevel.ERROR });

export const works = kafkaJsLoops({
  consumer: (job) => client(job).consumer({ groupId: job.groupId }),
  producer: (job) => client(job).producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner }),
  // When a request fails for one partition, its idempotent producer takes the numbers of all back. Another send may have
  // followed: then what is tried again is taken for repeated, and lost.
  sendsInFlight: 1,
  subscribe: { fromBeginning: true },
  run: { autoCommit: false },
});
