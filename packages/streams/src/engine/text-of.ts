/** Longest text of a failure in a message: whoever wrote what failed on may have written the text too. */
const LONGEST = 500;

/** What could forge a line of a log, or hide in it: control characters, other separators of lines, marks of direction. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escaped = (character: string): string =>
  SHORT[character] ?? `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, "0")}`;

/** A text from elsewhere as it may stand in a message: in one line, and of at most `longest` characters. */
export const printable = (text: string, longest: number = LONGEST): string => {
  const whole = text.slice(0, longest + 1).replace(UNPRINTABLE, escaped);
  // Half of a pair would be no character.
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

/** What an error says, or the text of whatever else was thrown. */
export const messageOf = (thrown: unknown): string =>
  safely(() => (thrown instanceof Error ? thrown.message || thrown.name : thrown));
