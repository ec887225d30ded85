import { messageOf } from "@millrace/streams/stage";
import { DeserializationError } from "../errors/deserialization-error.js";

/** What is said of a failure, so that a record that goes round does not grow. */
const MESSAGE_BYTES = 1024;
const STACK_BYTES = 2048;

/** What a dead letter says of its failure. */
export interface FailureDetails {
  readonly name: string;
  readonly message: string;
  readonly cause: { readonly name: string; readonly message: string } | undefined;
  readonly stack: string | undefined;
  readonly part: "key" | "value" | undefined;
}

/** How much is said: less where the letter would be too large. */
export type Detail = "all" | "without stack" | "name only";

/** At most so many bytes of UTF-8, cut between two characters. */
const cut = (text: string, most: number): string => {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return text;
  let end = most;
  while (((bytes[end] as number) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
};

const nameOf = (error: unknown): string => (error instanceof Error ? cut(error.name, 200) : typeof error);

export const failureDetails = (error: unknown, detail: Detail): FailureDetails => {
  const part = error instanceof DeserializationError ? error.part : undefined;
  const name = nameOf(error);
  if (detail === "name only") return { name, message: "", cause: undefined, stack: undefined, part };
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  const stack = error instanceof Error && typeof error.stack === "string" ? cut(error.stack, STACK_BYTES) : undefined;
  return {
    name,
    message: cut(messageOf(error), MESSAGE_BYTES),
    cause: cause === undefined ? undefined : { name: nameOf(cause), message: cut(messageOf(cause), MESSAGE_BYTES) },
    stack: detail === "all" ? stack : undefined,
    part,
  };
};
