/** Longest text of a failure in a message: the author of the data that failed may have written the text too. */
const LONGEST = 500;

/** What could forge a log line, or hide in one: control characters, other line separators, direction marks. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escaped = (character: string): string =>
  SHORT[character] ?? `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, "0")}`;

/** Foreign text made safe for a message: one line of at most `longest` characters. */
export const printable = (text: string, longest: number = LONGEST): string => {
  const whole = text.slice(0, longest + 1).replace(UNPRINTABLE, escaped);
  // Half of a surrogate pair is no character.
  return whole.length <= longest ? whole : `${whole.slice(0, longest - 1).replace(/[\ud800-\udbff]$/, "")}…`;
};

const safely = (text: () => unknown): string => {
  try {
    return printable(String(text()));
  } catch {
    return "something without a text";
  }
};

/** The text of anything: an error may be anything, and so may its `toString`. */
export const textOf = (value: unknown): string => safely(() => value);

/** The message of an error, or the text of anything else that was thrown. */
export const messageOf = (thrown: unknown): string =>
  safely(() => (thrown instanceof Error ? thrown.message || thrown.name : thrown));
