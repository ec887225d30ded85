import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import type { Subscription } from "./port.js";

/** Escapes that mean a class of characters, as they are written inside brackets. */
const CLASSES: Readonly<Record<string, string>> = { d: "0-9", w: "A-Za-z0-9_", s: " \t" };

/** No topic has a longer name, and engines have limits of their own. */
const MOST_REPEATED = 249;

/** What stands for itself only behind a backslash. */
const SPECIAL = /[.*+?^$()[\]{}|\\]/;

/**
 * Two engines match names, and neither is JavaScript's. In the classic protocol the client does: POSIX extended expressions,
 * found anywhere. With `groupProtocol: "consumer"` the broker does: RE2/J, which must match the whole name. What both know
 * is written for either; what one of them does not know is refused under both, and before anything runs.
 */
export const topicPatternSchema: z.ZodType<RegExp> = z.instanceof(RegExp).superRefine((pattern, context) => {
  try {
    translated(pattern);
  } catch (error) {
    if (!(error instanceof KafkaConnectorError)) throw error;
    context.addIssue({ code: "custom", message: error.message });
  }
});

/** What librdkafka is to subscribe to: it takes whatever starts with `^` for a pattern. */
export const toSubscribe = (
  subscription: Exclude<Subscription, { readonly kind: "assignment" }>,
  matcher: "client" | "broker",
): readonly string[] =>
  subscription.kind === "topics" ? namedTopics(subscription.topics) : [toTopicPattern(subscription.pattern, matcher)];

/** A JavaScript expression matches anywhere, so what may precede it is put before it; for brokers also what may follow. */
export function toTopicPattern(pattern: RegExp, matcher: "client" | "broker"): string {
  const found = translated(pattern);
  if (matcher === "broker") return `^.*(${found}).*`;
  return found.startsWith("^") ? found : `^.*(${found})`;
}

/** The names as they are; librdkafka would take one that starts with `^` for a pattern. */
function namedTopics(topics: readonly string[]): readonly string[] {
  const pattern = topics.find((topic) => topic.startsWith("^"));
  if (pattern === undefined) return topics;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${JSON.stringify(pattern)} is not a topic name. To subscribe by pattern, give a regular expression.`,
  );
}

const refused = (pattern: RegExp, what: string): KafkaConnectorError =>
  new KafkaConnectorError(
    "INVALID_SETTINGS",
    `The topic pattern ${String(pattern)} uses ${what}, which the regular expressions of librdkafka or of the brokers do not know. ` +
      "Use characters, brackets, groups, `|`, `*`, `+`, `?`, `{m,n}`, `^` and `$`, or subscribe to topics by name.",
  );

/** In what POSIX extended expressions and RE2/J both read as JavaScript does. */
function translated(pattern: RegExp): string {
  if (/[imsyv]/.test(pattern.flags)) {
    throw refused(pattern, `the flag${pattern.flags.length > 1 ? "s" : ""} "${pattern.flags}"`);
  }
  const { source } = pattern;
  let text = "";
  for (let at = 0; at < source.length; ) {
    const [part, length] = source.charAt(at) === "[" ? bracket(pattern, at) : outside(pattern, at);
    text += part;
    at += length;
  }
  return text;
}

type Part = readonly [text: string, length: number];

function outside(pattern: RegExp, at: number): Part {
  const rest = pattern.source.slice(at);
  const char = rest.charAt(0);
  if (char === "\\") {
    const next = rest.charAt(1);
    const characters = CLASSES[next];
    if (characters !== undefined) return [`[${characters}]`, 2];
    if (/[A-Za-z0-9]/.test(next)) throw refused(pattern, `"\\${next}"`);
    return [SPECIAL.test(next) ? `\\${next}` : next, 2];
  }
  // A group that captures nothing is for us the same as one that does.
  if (rest.startsWith("(?:")) return ["(", 3];
  if (rest.startsWith("(?")) throw refused(pattern, `"${rest.slice(0, 3)}"`);
  if (/^[*+?{]/.test(rest)) return repeated(pattern, rest);
  // JavaScript takes these for themselves where they close nothing.
  if (/^[\]}]/.test(rest)) throw refused(pattern, `"${char}" that closes nothing`);
  return [char, 1];
}

function repeated(pattern: RegExp, rest: string): Part {
  const [count = "", lazy] = /^(?:[*+?]|\{\d+(?:,\d*)?\})(\?)?/.exec(rest) ?? [];
  if (count === "") throw refused(pattern, '"{" that counts nothing');
  if (lazy !== undefined) throw refused(pattern, `the lazy "${count.replace(/\{.*\}/, "}")}"`);
  if ((count.match(/\d+/g) ?? []).some((most) => Number(most) > MOST_REPEATED)) {
    throw refused(pattern, `"${count}", above ${MOST_REPEATED}`);
  }
  return [count, count.length];
}

/** The engines differ in escapes and `-` inside brackets, so only what needs neither is accepted. */
function bracket(pattern: RegExp, at: number): Part {
  const [whole = "", not = "", inside = ""] = /^\[(\^?)((?:\\.|[^\]])*)\]/.exec(pattern.source.slice(at)) ?? [];
  if (inside === "") throw refused(pattern, "empty brackets");
  // Where it makes no range JavaScript takes it for itself; the others only at the edge.
  if (/\\[dws]-.|.-\\[dws]|.-.-./.test(inside)) throw refused(pattern, '"-" that makes no range inside brackets');
  const text = inside.replace(/\\(.)|\[/g, (found, next: string | undefined) => {
    const characters = CLASSES[next ?? ""];
    if (characters !== undefined) return characters;
    if (next === undefined || /[A-Za-z0-9\]\\^[-]/.test(next)) {
      throw refused(pattern, `"${found}" inside brackets`);
    }
    return next;
  });
  return [`[${not}${text}]`, whole.length];
}
