import { KafkaConnectorError } from "../../errors.js";

/** Escapes that mean a class of characters, as they are written inside brackets. */
const CLASSES: Readonly<Record<string, string>> = { d: "0-9", w: "A-Za-z0-9_", s: " \t" };

/**
 * The pattern as librdkafka wants it: a POSIX extended expression that starts with `^`. A JavaScript expression matches
 * anywhere, so without a `^` one is put before it together with what may precede; what POSIX cannot say is refused.
 */
export function toTopicPattern(pattern: RegExp): string {
  if (/[imsyv]/.test(pattern.flags)) {
    throw refused(pattern, `the flag${pattern.flags.length > 1 ? "s" : ""} "${pattern.flags}"`);
  }
  const posix = toPosix(pattern);
  return posix.startsWith("^") ? posix : `^.*(${posix})`;
}

function toPosix(pattern: RegExp): string {
  const { source } = pattern;
  let posix = "";
  let bracket = false;
  for (let at = 0; at < source.length; at++) {
    const two = source.slice(at, at + 2);
    const char = source.charAt(at);
    if (char === "\\") {
      posix += escaped(pattern, source.charAt(at + 1), bracket);
      at += 1;
    } else if (two === "(?" && !bracket) {
      // A group that captures nothing is for us the same as one that does.
      if (source.charAt(at + 2) !== ":") throw refused(pattern, `"${source.slice(at, at + 3)}"`);
      posix += "(";
      at += 2;
    } else if (!bracket && /^[*+?}][?]$/.test(two)) {
      throw refused(pattern, `the lazy "${two}"`);
    } else {
      if (char === "[" && bracket) throw refused(pattern, '"[" inside brackets');
      bracket = bracket ? char !== "]" : char === "[";
      posix += char;
    }
  }
  return posix;
}

function escaped(pattern: RegExp, char: string, bracket: boolean): string {
  const characters = CLASSES[char];
  if (characters !== undefined) return bracket ? characters : `[${characters}]`;
  if (/[A-Za-z0-9]/.test(char)) throw refused(pattern, `"\\${char}"`);
  if (!bracket) return char === "/" || char === "-" ? char : `\\${char}`;
  // POSIX knows no escapes inside brackets: there a backslash is a backslash.
  if (/[\]\\^[-]/.test(char)) throw refused(pattern, `"\\${char}" inside brackets`);
  return char;
}

function refused(pattern: RegExp, what: string): KafkaConnectorError {
  return new KafkaConnectorError(
    "INVALID_SETTINGS",
    `The topic pattern ${String(pattern)} uses ${what}, which the client's regular expressions do not know. ` +
      "Use characters, brackets, groups, `|`, `*`, `+`, `?`, `{m,n}`, `^` and `$`, or subscribe to topics by name.",
  );
}

/** The names as they are; librdkafka would take one that starts with `^` for a pattern. */
export function namedTopics(topics: readonly string[]): readonly string[] {
  const pattern = topics.find((topic) => topic.startsWith("^"));
  if (pattern === undefined) return topics;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${JSON.stringify(pattern)} is not a topic name. To subscribe by pattern, give a regular expression.`,
  );
}
