import type { ClientProperties, OutgoingRecord } from "@millrace/kafka";
import type { Cancellable } from "@millrace/streams";
import type { PartitionLog } from "../broker/log.js";
import { CODE, type Simulation } from "../simulation.js";
import { keyOf, type Topics } from "../broker/topics.js";

/** Records of one call for one partition: stored, acknowledged or failed together. */
export interface ProduceRequest {
  readonly topic: string;
  readonly partition: number;
  readonly ids: number[];
  readonly records: OutgoingRecord[];
}

interface Sent extends ProduceRequest {
  readonly key: string;
  /** The first offset, once an idempotent producer's records are stored: the broker knows them when they come again. */
  stored: number | undefined;
  reported: boolean;
  deadline: Cancellable | undefined;
}

type Bare = { key: Buffer | null; value: Buffer | null; headers: OutgoingRecord["headers"] & {}; timestamp: number };

export interface ProduceOptions {
  readonly clientId: string;
  readonly simulation: Simulation;
  readonly topics: Topics;
  /** Stores records in place of the log itself; `busy` means try again. */
  readonly write: (log: PartitionLog, records: readonly Bare[]) => number | "busy" | "fenced";
  /** A record was sent to a topic that does not exist. */
  readonly missing: (topic: string) => void;
  readonly report: (request: ProduceRequest, first: number, error: Error | undefined) => void;
}

/** How requests are sent, by librdkafka's names, with the driver's defaults. */
interface Sending {
  readonly idempotent: boolean;
  /** Of one partition, a request that has to be sent again holds up those behind it. */
  readonly ordered: boolean;
  readonly acknowledged: boolean;
  readonly timeoutMs: number;
  readonly backoffMs: number;
}

/** How long to wait where the broker is not ready for the producer's next transaction. */
const BUSY_MS = 20;

/**
 * What a producer has sent and has no answer to yet. Requests of one partition are stored and answered in order; those
 * of other partitions overtake. One that is lost, or whose answer is lost, is sent again: an idempotent producer's
 * records keep their order and are stored once; another's may be stored twice, and behind later ones.
 */
export class ProduceRequests {
  readonly #options: ProduceOptions;
  readonly #simulation: Simulation;
  readonly #sending: Sending;
  /** Requests of each partition that have not been stored. */
  readonly #waiting = new Map<string, Sent[]>();
  readonly #answersDue = new Map<string, number>();
  #ended = false;

  constructor(options: ProduceOptions, properties: ClientProperties) {
    this.#options = options;
    this.#simulation = options.simulation;
    this.#sending = sendingOf(properties);
  }

  send(request: ProduceRequest): void {
    const sent: Sent = { ...request, key: keyOf(request), stored: undefined, reported: false, deadline: undefined };
    sent.deadline = this.#simulation.schedule(this.#sending.timeoutMs, () => this.#expire(sent));
    this.#queueOf(sent).push(sent);
    this.#arriveNext(sent, this.#simulation.faults.appendDelayMs);
  }

  /** The producer is gone: some of what it has sent is on its way and arrives; what follows it never does. */
  abandon(): void {
    this.#ended = true;
    for (const requests of this.#waiting.values()) requests.splice(this.#simulation.random.int(0, requests.length));
  }

  /** What is not stored yet never will be, and is reported as failed. */
  purge(): void {
    const purged = [...this.#waiting.values()].flatMap((requests) => requests.splice(0));
    for (const each of purged) {
      this.#report(each, -1, this.#failed(`Records for ${each.key} were purged with their transaction.`, CODE.purged));
    }
  }

  #queueOf({ key }: Sent): Sent[] {
    let queue = this.#waiting.get(key);
    if (!queue) this.#waiting.set(key, (queue = []));
    return queue;
  }

  /** Every request of a partition has a timer of its own, which sends the first that waits: so none overtakes. */
  #arriveNext(sent: Sent, delayMs: readonly [number, number]): void {
    const arrive = (): void => {
      const next = this.#queueOf(sent).shift();
      if (next) this.#arrive(next);
    };
    this.#simulation.request(delayMs, arrive, this.#options.topics.leaderOf(sent));
  }

  /** Sends again, at the head of the queue where order is kept. */
  #retry(sent: Sent, afterMs: number): void {
    // A dead producer sends nothing again; the broker would refuse what follows, as a record before it is missing.
    if (this.#ended) return void this.#queueOf(sent).splice(0);
    if (this.#sending.ordered) {
      this.#queueOf(sent).unshift(sent);
      return this.#arriveNext(sent, [afterMs, afterMs]);
    }
    const arrive = (): void => {
      if (!this.#ended && !sent.reported) this.#arrive(sent);
    };
    this.#simulation.request([afterMs, afterMs], arrive, this.#options.topics.leaderOf(sent));
  }

  #arrive(sent: Sent): void {
    const { random, faults } = this.#simulation;
    if (!this.#options.topics.log(sent)) {
      this.#options.missing(sent.topic);
      return this.#answerLater(
        sent,
        -1,
        this.#failed(`There is no topic ${sent.topic}. Create it.`, CODE.missingTopic),
      );
    }
    if (random.happens(faults.requestLossRate)) {
      this.#event(`${sent.ids.length} records for ${sent.key} are lost on their way`);
      return this.#retry(sent, this.#sending.backoffMs);
    }
    if (random.happens(faults.produceErrorRate)) {
      this.#event(`${sent.ids.length} records for ${sent.key} refused`);
      return this.#answerLater(sent, -1, this.#timedOut(sent.key, "and are not stored"));
    }
    const first = this.#store(sent);
    if (first === "busy") return this.#retry(sent, BUSY_MS);
    if (first === "fenced") {
      return this.#answerLater(sent, -1, this.#failed("Another producer is in its place.", CODE.oldProducerEpoch));
    }
    if (random.happens(faults.ackLossRate)) this.#answerLater(sent, -1, this.#timedOut(sent.key, "but are stored"));
    else if (random.happens(faults.answerLossRate)) {
      this.#event(`the answer for ${sent.key} is lost`);
      this.#retry(sent, this.#sending.backoffMs);
    } else this.#answerLater(sent, first, undefined);
  }

  #store(sent: Sent): number | "busy" | "fenced" {
    if (sent.stored !== undefined) return sent.stored;
    const log = this.#options.topics.log(sent) as PartitionLog;
    const now = Math.floor(this.#simulation.clock.now());
    const first = this.#options.write(
      log,
      sent.records.map(({ key, value, headers, timestamp }) => ({
        key,
        value,
        headers: headers ?? [],
        timestamp: timestamp ?? now,
      })),
    );
    if (typeof first !== "number") return first;
    if (this.#sending.idempotent) sent.stored = first;
    this.#event(`${sent.ids.length} records stored in ${sent.key} from ${first} on`);
    return first;
  }

  #expire(sent: Sent): void {
    const queue = this.#queueOf(sent);
    if (queue.includes(sent)) queue.splice(queue.indexOf(sent), 1);
    this.#report(sent, -1, this.#timedOut(sent.key, "and may be stored"));
  }

  #answerLater(sent: Sent, first: number, error: Error | undefined): void {
    const now = this.#simulation.clock.now();
    let due = now + this.#simulation.draw(this.#simulation.faults.ackDelayMs);
    if (this.#sending.ordered) due = Math.max(this.#answersDue.get(sent.key) ?? 0, due);
    this.#answersDue.set(sent.key, due);
    // Without acknowledgements everything sent counts as stored.
    const [offset, failure] = this.#sending.acknowledged ? [first, error] : [-1, undefined];
    const leader = this.#options.topics.leaderOf(sent);
    this.#reportAt(due, () => this.#report(sent, offset, failure), leader);
  }

  /** All that an outage holds up comes at its end, in order. */
  #reportAt(due: number, report: () => void, leader: number): void {
    this.#simulation.schedule(due - this.#simulation.clock.now(), () => {
      const left = this.#simulation.outageLeftMs(leader);
      if (left > 0) this.#reportAt(this.#simulation.clock.now() + left, report, leader);
      else report();
    });
  }

  #report(sent: Sent, first: number, error: Error | undefined): void {
    if (this.#ended || sent.reported) return;
    sent.reported = true;
    sent.deadline?.cancel();
    this.#options.report(sent, first, error);
  }

  #timedOut(key: string, what: string): Error {
    return this.#failed(
      `Records for ${key} timed out ${what}. Check that the brokers are reachable.`,
      CODE.messageTimedOut,
    );
  }

  #failed(text: string, code: number): Error {
    return this.#simulation.error("PRODUCE_FAILED", text, code);
  }

  #event(what: string): void {
    this.#simulation.event(`${this.#options.clientId}: ${what}`);
  }
}

function sendingOf(properties: ClientProperties): Sending {
  const acks = String(properties["acks"] ?? properties["request.required.acks"] ?? "all");
  const transactional = properties["transactional.id"] !== undefined;
  const inFlight = Number(properties["max.in.flight"] ?? properties["max.in.flight.requests.per.connection"] ?? 5);
  const idempotent =
    transactional ||
    String(properties["enable.idempotence"] ?? (["all", "-1"].includes(acks) && inFlight <= 5)) === "true";
  const timeout = properties["message.timeout.ms"] ?? properties["delivery.timeout.ms"];
  const longest = transactional ? (properties["transaction.timeout.ms"] ?? 60_000) : 300_000;
  return {
    idempotent,
    ordered: idempotent || inFlight === 1,
    acknowledged: acks !== "0",
    timeoutMs: Number(timeout ?? longest),
    backoffMs: Number(properties["retry.backoff.ms"] ?? 100),
  };
}
