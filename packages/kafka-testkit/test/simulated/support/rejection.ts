import type { KafkaConnectorError } from "@millrace/kafka";
import type { VirtualClock } from "@millrace/streams-testkit";
import { passing } from "./virtual-time.js";

/** What the promise rejects with, for which time has to pass; `undefined` where it resolves. */
export const rejection = async (clock: VirtualClock, promise: Promise<unknown>): Promise<KafkaConnectorError> => {
  const answer = promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return (await passing(clock, answer, "an answer")) as KafkaConnectorError;
};
