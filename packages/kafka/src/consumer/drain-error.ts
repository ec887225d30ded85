import { acrossCopies, messageOf } from "@millrace/streams/stage";
import type { DrainReport } from "./drain-report.js";
import { KafkaConnectorError } from "../errors/errors.js";
import type { ConsumerExplanation } from "./explanation.js";

/** A drain broke its promise: not everything delivered is finished and committed. Nothing is lost; it is read again. */
export class DrainError extends KafkaConnectorError {
  static {
    acrossCopies(this, "DrainError");
  }

  override readonly name: string = "DrainError";
  readonly report: DrainReport;

  private constructor(report: DrainReport, what: string, cause?: unknown) {
    super("DRAIN_INCOMPLETE", `${what}\n${report.toString()}`, cause === undefined ? {} : { cause });
    this.report = report;
  }

  static late(report: DrainReport, timeoutMs: number, explanation: ConsumerExplanation): DrainError {
    return new DrainError(
      report,
      `The stream did not finish within ${timeoutMs} ms after the source had stopped. Raise timeoutMs, or see what held it up:\n${explanation.toString()}`,
    );
  }

  static overdue(report: DrainReport, timeoutMs: number): DrainError {
    return new DrainError(
      report,
      `The last commit, or the closing of a client, had not ended after ${timeoutMs} ms, and was not waited for any longer. Check that the brokers are up, or raise timeoutMs.`,
    );
  }

  static failed(report: DrainReport, cause: unknown): DrainError {
    return new DrainError(report, `The last commit or the closing of the client failed: ${messageOf(cause)}`, cause);
  }

  static leaked(report: DrainReport): DrainError {
    return new DrainError(
      report,
      "The stream completed, but not every record was finished. An operator has lost claims, which is a bug.",
    );
  }
}
