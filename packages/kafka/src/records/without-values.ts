import { printable } from "@millrace/streams/stage";

/** More parts of a value are not looked for one by one. */
const MOST_PARTS = 1000;

/** A longer message is not looked through. */
const LONGEST_MESSAGE = 2000;

/** Shorter parts are hidden where they stand in quotes or are a number: elsewhere they are parts of words. */
const SHORTEST = 3;

const HIDDEN = "…";

/** What a message quotes: text in quotation marks, or a number. */
const QUOTED = /"[^"]*"|(?<!\p{L})'[^']*'|`[^`]*`|(?<![\p{L}\p{N}_])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/giu;

/** A word of a record may be one of the message's own as well. */
const WORD = /^\p{L}+$/u;

/** Texts, numbers and names of fields in a value. */
interface Parts {
  readonly texts: ReadonlySet<string>;
  /** There are no others. */
  readonly all: boolean;
}

const UNKNOWN: Parts = { texts: new Set(), all: false };

const partsOf = (value: unknown): Parts => {
  const texts = new Set<string>();
  const left: unknown[] = [value];
  // Not by recursion: the record says how deep it is.
  while (left.length > 0) {
    const part = left.pop();
    if (texts.size > MOST_PARTS || left.length > MOST_PARTS) return { texts, all: false };
    if (typeof part === "string" || typeof part === "number" || typeof part === "bigint") texts.add(String(part));
    else if (typeof part === "object" && part !== null) {
      for (const [key, inner] of Object.entries(part)) {
        if (!Array.isArray(part)) texts.add(key);
        left.push(inner);
      }
    }
  }
  return { texts, all: true };
};

/** As it is, and as JSON writes it. */
const spellings = (text: string): readonly string[] => [text, JSON.stringify(text).slice(1, -1)];

const alike = (text: string): string => text.trim().toLowerCase();

const escapedForRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** Hides what stands there without quotation marks. */
const withoutText = (message: string, text: string): string => {
  if (text.length < SHORTEST || text.length > message.length) return message;
  const pattern = escapedForRegExp(text);
  return message.replace(new RegExp(WORD.test(text) ? `(?<!\\p{L})${pattern}(?!\\p{L})` : pattern, "giu"), HIDDEN);
};

const hide = (message: string, { texts, all }: Parts, own: string | undefined): string => {
  // A longer one may have a shorter one in it.
  const unquoted = [...texts].filter((text) => text === own || !WORD.test(text)).flatMap(spellings);
  const rest = unquoted.sort((a, b) => b.length - a.length).reduce(withoutText, message);
  const known = new Set([...texts].map(alike));
  const isKnown = (quoted: string): boolean =>
    known.has(quoted) || [...known].some((text) => text.length >= SHORTEST && quoted.includes(text));
  return rest.replace(QUOTED, (token) => {
    const mark = /^["'`]/.exec(token)?.[0] ?? "";
    const inner = mark === "" ? token : token.slice(1, -1);
    return !all || isKnown(alike(inner)) ? `${mark}${HIDDEN}${mark}` : token;
  });
};

const bounded = (message: string, hidden: () => string): string =>
  message.length > LONGEST_MESSAGE ? `a text of ${message.length} characters, see the cause` : printable(hidden());

/** A message about a value without what it repeats of that value. */
export const withoutValues = (message: string, value: unknown): string =>
  bounded(message, () => hide(message, partsOf(value), typeof value === "string" ? value : undefined));

/** A message about a value that is not known, without all that may be of it. */
export const withoutQuotations = (message: string): string => bounded(message, () => hide(message, UNKNOWN, undefined));
