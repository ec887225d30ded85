import type { StandardSchemaV1 } from "@standard-schema/spec";
import { printable, textOf } from "@millrace/streams/stage";
import { withoutQuotations, withoutValues } from "./without-values.js";

/** Issues that are listed; the cause has the others. */
const LISTED = 5;

/** Names of a path that are shown. */
const DEEPEST = 8;

const LONGEST = 500;

/** A name of a field, as somebody who writes a schema would choose it: short, with few digits. A record has others too. */
const FIELD = /^(?!(?:.*\d){4})[A-Za-z_$][\w$-]{0,39}$/;

type Issue = StandardSchemaV1.Issue;
type Segment = PropertyKey | StandardSchemaV1.PathSegment;

const keyOf = (segment: Segment): PropertyKey => (typeof segment === "object" ? segment.key : segment);

const shown = (key: PropertyKey): string => {
  if (typeof key === "number") return String(key);
  return typeof key === "string" && FIELD.test(key) ? key : "…";
};

const pathOf = (path: readonly Segment[]): string => {
  const names = path.slice(0, DEEPEST).map((segment) => shown(keyOf(segment)));
  return path.length > DEEPEST ? `${names.join(".")}.…` : names.join(".");
};

/** The value that an issue is about; where the path leads to nothing, the last one on it. */
const valueAt = (value: unknown, path: readonly Segment[]): unknown => {
  let at = value;
  for (const segment of path) {
    const key = keyOf(segment);
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return at;
    at = (at as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return at;
};

const listed = (
  issues: readonly Issue[],
  withoutValue: (message: string, path: readonly Segment[]) => string,
): string => {
  const lines = issues.slice(0, LISTED).map((issue) => {
    const path = issue.path ?? [];
    const message = withoutValue(typeof issue.message === "string" ? issue.message : textOf(issue.message), path);
    return path.length === 0 ? message : `${pathOf(path)}: ${message}`;
  });
  const more = issues.length > LISTED ? ` (and ${issues.length - LISTED} more)` : "";
  return `${printable(lines.join("; "), LONGEST - more.length)}${more}`;
};

/** What a schema has against `value`: short, and without repeating `value`. */
export const issueText = (issues: readonly Issue[], value: unknown): string =>
  listed(issues, (message, path) => withoutValues(message, valueAt(value, path)));

/** The same for an unknown value: for the error that a schema's own `parse` throws. */
export const issueTextAlone = (issues: readonly Issue[]): string => listed(issues, withoutQuotations);
