import { acrossCopies } from "@millrace/streams/stage";

/** A handler throws it where another attempt would fail the same way: the record has failed for good. */
export class NotRetriableError extends Error {
  static {
    acrossCopies(this, "NotRetriableError");
  }

  override readonly name: string = "NotRetriableError";

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
  }
}
