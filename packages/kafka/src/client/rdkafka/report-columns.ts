import type { KafkaConnectorError } from "../../errors/errors.js";
import type { DeliveryReports } from "../port.js";
import { connectorError } from "./error-codes.js";
import type { NativeError, NativeReport } from "./native.js";
import { CODE } from "../codes.js";

const PURGED: ReadonlySet<number | undefined> = new Set([CODE.purgedInQueue, CODE.purgedInFlight]);

/** Collects node-rdkafka's reports, one call each, into the columns that are handed over. */
export class ReportColumns implements DeliveryReports {
  readonly ids: number[] = [];
  readonly partitions: number[] = [];
  readonly offsets: number[] = [];
  readonly errors: (KafkaConnectorError | undefined)[] = [];
  /** When a broker dies thousands of records fail alike: those of one topic share one error, and one stack. */
  readonly #byText: Map<string, KafkaConnectorError> = new Map();

  get length(): number {
    return this.ids.length;
  }

  push(error: NativeError | null | undefined, report: NativeReport): void {
    this.ids.push(report.opaque);
    this.partitions.push(report.partition);
    this.offsets.push(report.offset >= 0 ? report.offset : -1);
    this.errors.push(error === null || error === undefined ? undefined : this.#failure(error, report.topic));
  }

  /** Records that the client dropped because it had ended fail with what ended it. */
  endedBy(end: KafkaConnectorError): void {
    this.errors.forEach((error, index) => {
      if (PURGED.has(error?.clientCode)) this.errors[index] = end;
    });
  }

  #failure(error: NativeError, topic: string): KafkaConnectorError {
    const text = `${topic} ${String((error as { readonly message?: unknown }).message)}`;
    let failure = this.#byText.get(text);
    if (failure === undefined) {
      failure = connectorError("PRODUCE_FAILED", `A record for ${topic} was not delivered`, error);
      this.#byText.set(text, failure);
    }
    return failure;
  }
}
