import type { Subscription } from "../port.js";
import type { KafkaConnectorError } from "../../errors/errors.js";
import { codecMissing } from "./codecs.js";
import { codeOf, connectorError } from "./error-codes.js";
import { clusterMetadata } from "./metadata.js";
import type { NativeConsumer, NativeError } from "./native.js";
import { type CallNative, watermarksFetchedOf } from "./positions.js";
import { CODE } from "../codes.js";

/** Errors of one topic, or of what it holds. */
const OF_A_TOPIC: ReadonlySet<number | undefined> = new Set([
  CODE.missingTopic,
  CODE.invalidTopic,
  CODE.topicForbidden,
  CODE.unknownTopic,
  CODE.unknownPartition,
  CODE.notImplemented,
  CODE.unsupportedCodec,
]);

/** Rebalances wait for it. */
const LOOK_MS = 1000;

/** The most names that an error lists. */
const MOST = 5;

const topicsOf = (partitions: readonly { readonly topic: string }[]): readonly string[] => [
  ...new Set(partitions.map(({ topic }) => topic)),
];

/** Names the topics of an error about a topic: `all`, or those it may be. */
export function topicsIn(code: number | undefined, topics: readonly string[], all: boolean = false): string {
  if (topics.length === 0 || !OF_A_TOPIC.has(code)) return "";
  const more = topics.length > MOST ? ` and ${topics.length - MOST} more` : "";
  const kind = topics.length === 1 ? "topic" : all ? "topics" : "one of the topics";
  return ` ${kind} ${topics.slice(0, MOST).join(", ")}${more}`;
}

/**
 * What `consume` fails with. librdkafka knows the topic, but the bindings pass on only the code; so the topics are
 * found again: those that the broker does not show to this client, else those it has fetched nothing from.
 */
export class ReadFailures {
  readonly #native: NativeConsumer;
  readonly #call: CallNative;
  #subscribed: readonly string[] | undefined;

  constructor(native: NativeConsumer, call: CallNative) {
    this.#native = native;
    this.#call = call;
  }

  onSubscribe(subscription: Subscription): void {
    this.#subscribed = subscription.kind === "topics" ? subscription.topics : undefined;
  }

  /** Never rejects. */
  async of(error: NativeError): Promise<KafkaConnectorError> {
    const code = codeOf(error);
    const topics = OF_A_TOPIC.has(code) ? await this.#topics(code).catch(() => "") : "";
    const missing = code === CODE.notImplemented || code === CODE.unsupportedCodec;
    return (
      (missing ? codecMissing(this.#native.build, topics, error, code) : undefined) ??
      connectorError("POLL_FAILED", `The consumer could not read${topics}`, error)
    );
  }

  async #topics(code: number | undefined): Promise<string> {
    const assigned = this.#native.assignments();
    const wanted = this.#subscribed ?? topicsOf(assigned);
    if (wanted.length < 2) return topicsIn(code, wanted);
    const { topics } = await clusterMetadata(this.#native, this.#call, undefined, LOOK_MS).catch(() => ({
      topics: [],
    }));
    const shown = new Set(topics.map(({ topic }) => topic));
    const hidden = wanted.filter((topic) => !shown.has(topic));
    if (shown.size > 0 && hidden.length > 0) return topicsIn(code, hidden, true);
    const fetched = new Set(topicsOf(assigned.filter((each) => watermarksFetchedOf(this.#native, each) !== undefined)));
    const silent = wanted.filter((topic) => !fetched.has(topic));
    return topicsIn(code, silent.length > 0 ? silent : wanted);
  }
}
