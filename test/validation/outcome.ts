import type { KafkaConnectorError } from "@millrace/kafka";

/** The number a program decides by, where there is one, else our name for the failure. */
export const codeOf = (error: unknown): number | string => {
  const { clientCode, code } = error as Partial<KafkaConnectorError>;
  return clientCode ?? code ?? String(error);
};

/** How a call ended: `ok`, or its code. */
export const outcome = (call: Promise<unknown>): Promise<number | string> => call.then(() => "ok", codeOf);

/** The same for a call that answers at once. */
export const thrown = (call: () => unknown): number | string => {
  try {
    call();
    return "ok";
  } catch (error) {
    return codeOf(error);
  }
};
