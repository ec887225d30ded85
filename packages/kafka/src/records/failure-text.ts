import type { StandardSchemaV1 } from "@standard-schema/spec";
import { messageOf } from "@millrace/streams/stage";
import { issueTextAlone } from "./issue-text.js";

/** Node's own text about JSON repeats the record; only the position of the fault is kept of it. */
export const notJson = ({ message }: SyntaxError): string => {
  const position = /\bposition (\d+)/.exec(message)?.[1];
  const place = position === undefined ? "" : `, see position ${position}`;
  return /\bend of JSON\b/i.test(message)
    ? "the text is not valid JSON: it ends too early"
    : `the text is not valid JSON${place}`;
};

/** Ours has a cause. */
const isOfJsonParse = (thrown: unknown): thrown is SyntaxError =>
  thrown instanceof SyntaxError && thrown.cause === undefined && /\bJSON\b/.test(thrown.message);

const issuesOf = (thrown: unknown): readonly StandardSchemaV1.Issue[] | undefined => {
  const { issues } = thrown as { readonly issues?: unknown };
  return thrown instanceof Error && Array.isArray(issues) ? (issues as readonly StandardSchemaV1.Issue[]) : undefined;
};

/** What a serde has thrown, as it may stand in a message: short, in one line, without what libraries repeat of a record. */
export const failureText = (thrown: unknown): string => {
  try {
    if (isOfJsonParse(thrown)) return notJson(thrown);
    const issues = issuesOf(thrown);
    if (issues) return issueTextAlone(issues);
  } catch {
    // An error may be anything; `messageOf` copes with that.
  }
  return messageOf(thrown);
};
