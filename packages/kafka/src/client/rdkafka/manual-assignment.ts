import type { NativeConsumer, NativeTopicPartition } from "./native.js";
import { connectorError } from "./error-codes.js";

/** `assign` would begin anew with all partitions: these two leave the others alone. */
export function changeAssignment(
  native: NativeConsumer,
  call: "incrementalAssign" | "incrementalUnassign",
  partitions: readonly NativeTopicPartition[],
): void {
  try {
    native[call](partitions);
  } catch (error) {
    const what = call === "incrementalAssign" ? "read more partitions" : "give partitions up";
    throw connectorError("CLIENT_FAILED", `The consumer could not ${what}`, error);
  }
}
