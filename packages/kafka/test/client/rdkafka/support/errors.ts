import { KafkaConnectorError } from "../../../../src/errors/errors.js";

/** The error a call throws; anything but a `KafkaConnectorError` is thrown on. */
export function thrownBy(call: () => unknown): KafkaConnectorError {
  try {
    call();
  } catch (error) {
    if (error instanceof KafkaConnectorError) return error;
    throw error;
  }
  throw new Error("It did not throw.");
}

export function codeThrownBy(call: () => unknown): string {
  return thrownBy(call).code;
}

/** The error a promise rejects with; anything but a `KafkaConnectorError` is thrown on. */
export async function rejectionOf(promise: Promise<unknown>): Promise<KafkaConnectorError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KafkaConnectorError) return error;
    throw error;
  }
  throw new Error("It did not reject.");
}
