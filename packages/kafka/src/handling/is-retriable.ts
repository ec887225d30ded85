import { KafkaConnectorError } from "../errors/errors.js";
import { NotRetriableError } from "../errors/not-retriable-error.js";
import { mayMend } from "../restarting/mending.js";

/** Mistakes in the program. Node's `fetch` throws a TypeError too where the network fails; that one has a cause. */
const isMistake = (error: unknown): boolean =>
  error instanceof ReferenceError ||
  error instanceof SyntaxError ||
  error instanceof RangeError ||
  (error instanceof TypeError && error.cause === undefined);

/** Answers of an HTTP server that the same request gets again. */
const isRefusal = (status: unknown): boolean =>
  typeof status === "number" && status >= 400 && status < 500 && ![408, 425, 429].includes(status);

/** Whether another attempt may help, where the user does not say. */
export const isRetriable = (error: unknown): boolean => {
  if (error instanceof NotRetriableError || isMistake(error) || !mayMend(error)) return false;
  // By `retriable` a connector's error says whether the same call may be repeated, which is less than an attempt.
  if (error instanceof KafkaConnectorError) return true;
  const { retriable, status, statusCode } = Object(error) as Readonly<Record<string, unknown>>;
  return retriable !== false && !isRefusal(status) && !isRefusal(statusCode);
};
