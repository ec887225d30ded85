import type { ClientProperties, OutgoingRecord, ProducerClient } from "@millrace/kafka";
import type { Surroundings } from "./cluster.js";
import { codeOf } from "./outcome.js";

const FLUSH_MS = 20_000;

export interface Report {
  readonly id: number;
  readonly partition: number;
  readonly offset: number;
  /** `ok`, or the code of the failure. */
  readonly code: number | string;
}

/** A producer that remembers its reports in the order they came. */
export class Sender {
  readonly client: ProducerClient;
  readonly reports: Report[] = [];
  readonly errors: (number | string)[] = [];
  readonly #lab: Surroundings;

  constructor(lab: Surroundings, properties: ClientProperties) {
    this.#lab = lab;
    this.client = lab.driver.producer(properties, {
      onReports: ({ ids, partitions, offsets, errors }) => {
        ids.forEach((id, index) => {
          const error = errors[index];
          this.reports.push({
            id,
            partition: partitions[index] as number,
            offset: offsets[index] as number,
            code: error === undefined ? "ok" : codeOf(error),
          });
        });
      },
      onError: (error) => void this.errors.push(codeOf(error)),
    });
  }

  /** Sends all, with their index as id; done when all are reported. */
  async send(records: readonly OutgoingRecord[]): Promise<void> {
    for (let sent = 0; sent < records.length; ) {
      sent += this.client.produceBatch(records, sent, 0);
      if (sent < records.length) await this.#lab.pass(5);
    }
    await this.client.flush(FLUSH_MS);
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
