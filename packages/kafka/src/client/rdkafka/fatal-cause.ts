import { loggedText } from "./client-life.js";
import { codeOf, codeOfText } from "./error-codes.js";
import type { NativeConsumer, NativeError } from "./native.js";
import { CODE } from "../codes.js";

/**
 * What ended a client for good. Its errors say only that something did (-150), and node-rdkafka passes on no other: the
 * cause is in librdkafka's log alone, ahead of the error.
 */
export class FatalCause {
  #cause: NativeError;

  constructor(native: Pick<NativeConsumer, "on">) {
    native.on("event.log", ({ fac, message }) => {
      if (fac !== "FATAL" || this.#cause) return;
      const text = loggedText(message).replace(/^Fatal error: /, "");
      const code = codeOfText(text);
      if (code !== undefined) this.#cause = { code, message: text, isFatal: true, isRetriable: false };
    });
  }

  /** The cause, where the error says only that there is one; any other error is answered as it is. */
  async of(error: NativeError): Promise<NativeError> {
    if (codeOf(error) !== CODE.fatal) return error;
    // 1. It was logged before; 2. the log is handed on by another handle, in the same turn.
    await new Promise((resolve) => setImmediate(resolve));
    return this.#cause ?? error;
  }
}
