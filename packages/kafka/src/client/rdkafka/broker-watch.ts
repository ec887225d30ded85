import { KafkaConnectorError } from "../../errors/errors.js";
import { CODE, numbered } from "../codes.js";

const CHECK_MS = 5000;
/** More than librdkafka's own pause between two attempts to connect, which is 10 s at most by default. */
const PATIENCE_MS = 15_000;

/** How long one look for a broker may take. */
export const LOOK_MS = 3000;

export interface BrokerWatchOptions {
  /** Whether the client reaches a broker. Never rejects. */
  readonly reaches: () => Promise<boolean>;
  /** Whether a new client with the same properties does. Never rejects. */
  readonly wouldReach: () => Promise<boolean>;
  readonly onAbandoned: (error: KafkaConnectorError) => void;
  readonly checkMs?: number;
  readonly patienceMs?: number;
}

/** What librdkafka reports when connections break; the last one of them with `allBrokersDown`. */
const DISCONNECTED: ReadonlySet<number | undefined> = new Set([CODE.transport, CODE.allBrokersDown]);

/**
 * Finds out that librdkafka has given its brokers up for good (confluentinc/librdkafka#5301, since 2.12): 1. a broker that
 * comes back, or was frozen, answers for a moment that the cluster has no brokers; 2. the client drops all it knows, and
 * plans to begin anew with `bootstrap.servers`; 3. the end of that same answer cancels the plan; 4. nothing makes another.
 * Records then wait for their timeout, and a consumer reads nothing ever again, without an error. Only a new client helps.
 *
 * An outage looks the same from inside, so a second client is asked: the first is lost when that one reaches a broker, and
 * the first still does not long after.
 */
export class BrokerWatch {
  readonly #options: BrokerWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #watching = false;
  #stopped = false;
  /** Since when a new client would reach a broker. */
  #reachableSince: number | undefined;

  constructor(options: BrokerWatchOptions) {
    this.#options = options;
  }

  /** Begins to look, where the error says that a connection broke. */
  onError({ clientCode }: KafkaConnectorError): void {
    if (this.#watching || this.#stopped || !DISCONNECTED.has(clientCode)) return;
    this.#watching = true;
    this.#reachableSince = undefined;
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #later(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#options.checkMs ?? CHECK_MS);
    // It keeps no process alive.
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const { reaches, wouldReach, onAbandoned, patienceMs = PATIENCE_MS } = this.#options;
    if (await reaches()) {
      this.#watching = false;
      return;
    }
    if (this.#stopped) return;
    if (await wouldReach()) this.#reachableSince ??= performance.now();
    else this.#reachableSince = undefined;
    if (this.#stopped) return;
    if (this.#reachableSince === undefined || performance.now() - this.#reachableSince < patienceMs) {
      this.#later();
      return;
    }
    this.stop();
    onAbandoned(
      new KafkaConnectorError(
        "CLIENT_FAILED",
        "The client reaches no broker any more, though a new client would: librdkafka has lost its brokers for good. Make a new client; restart the stream.",
        { ...numbered(CODE.allBrokersDown), fatal: true },
      ),
    );
  }
}

/** How long a client may need to connect again by itself, by its properties. */
export function patienceOf(properties: Readonly<Record<string, string | number | boolean>>): number {
  const backoffMs = Number(properties["reconnect.backoff.max.ms"] ?? 0);
  return Math.max(PATIENCE_MS, 1.5 * backoffMs);
}
