import { crc32 } from "node:zlib";
import { KafkaConnectorError, type KafkaErrorCode, type KafkaErrorOptions } from "@millrace/kafka";
import type { Cancellable, Clock } from "@millrace/streams";
import { type DelayRange, FAULTLESS, type SimulatedFaults } from "./faults.js";
import { Random } from "./random.js";

/** The client's and the broker's codes the simulation answers with. */
export const CODE = {
  transport: -195,
  messageTimedOut: -192,
  unknownPartition: -190,
  unknownTopic: -188,
  timedOut: -185,
  fatal: -150,
  state: -172,
  purged: -152,
  maxPollExceeded: -147,
  producerFenced: -144,
  noOffset: -140,
  missingTopic: 3,
  tooLarge: 10,
  notCoordinator: 16,
  illegalGeneration: 22,
  inconsistentProtocol: 23,
  unknownMember: 25,
  rebalanceInProgress: 27,
  groupAuthorization: 30,
  oldProducerEpoch: 47,
  unknownProducer: 59,
  fencedInstance: 82,
  fencedMemberEpoch: 110,
  unreleasedInstance: 111,
  staleMemberEpoch: 113,
} as const;

/** What a client reports of each, beside its number; nothing of the rest. */
const MEANING: ReadonlyMap<number, KafkaErrorOptions> = new Map<number, KafkaErrorOptions>([
  [CODE.transport, { reason: "disconnected", retriable: true }],
  [CODE.messageTimedOut, { retriable: true }],
  [CODE.timedOut, { reason: "timedOut", retriable: true }],
  [CODE.maxPollExceeded, { retriable: true }],
  [CODE.missingTopic, { reason: "notFound", retriable: true }],
  [CODE.unknownTopic, { reason: "notFound" }],
  [CODE.unknownPartition, { reason: "notFound" }],
  [CODE.tooLarge, { reason: "tooLarge" }],
  [CODE.notCoordinator, { reason: "coordinatorUnavailable", retriable: true }],
  [CODE.rebalanceInProgress, { reason: "rebalancing", retriable: true }],
  [CODE.staleMemberEpoch, { reason: "rebalancing", retriable: true }],
  [CODE.illegalGeneration, { reason: "rebalanced" }],
  [CODE.unknownMember, { reason: "rebalanced" }],
  [CODE.fatal, { fatal: true }],
  [CODE.oldProducerEpoch, { fatal: true }],
  [CODE.producerFenced, { reason: "producerFenced", fatal: true }],
  [CODE.fencedInstance, { reason: "memberFenced", fatal: true }],
  [CODE.unreleasedInstance, { reason: "memberUnreleased", fatal: true }],
]);

/** What all parts of one simulated cluster share: its time, its choices, its faults and its history. */
export class Simulation {
  readonly seed: number;
  readonly clock: Clock;
  readonly random: Random;
  faults: SimulatedFaults;
  readonly #onEvent: ((event: string) => void) | undefined;
  /** Until when each broker is down; the first is broker 1. */
  readonly #downUntil: number[];
  #names = 0;

  constructor(options: {
    readonly seed: number;
    readonly clock: Clock;
    readonly brokers: number;
    readonly faults: Partial<SimulatedFaults>;
    readonly onEvent: ((event: string) => void) | undefined;
  }) {
    this.seed = options.seed;
    this.clock = options.clock;
    this.random = new Random(options.seed);
    this.faults = { ...FAULTLESS, ...options.faults };
    this.#onEvent = options.onEvent;
    this.#downUntil = Array.from({ length: options.brokers }, () => Number.NEGATIVE_INFINITY);
  }

  event(what: string): void {
    this.#onEvent?.(`${this.clock.now()} ${what}`);
  }

  /** A name that nothing else has. */
  name(of: string): string {
    this.#names += 1;
    return `${of}-${this.#names}`;
  }

  /** The broker that coordinates the group or the transactional id. */
  coordinatorOf(id: string): number {
    return 1 + (crc32(id) % this.#downUntil.length);
  }

  /** Without a broker all are down. */
  startOutage(ms: number, broker?: number): void {
    const end = this.clock.now() + ms;
    this.#downUntil.forEach((until, index) => {
      if (broker === undefined || broker === index + 1) this.#downUntil[index] = Math.max(until, end);
    });
  }

  /** How long the broker stays unreachable, or the first of them all; 0 when it is up. */
  outageLeftMs(broker?: number): number {
    const until = broker === undefined ? Math.min(...this.#downUntil) : (this.#downUntil[broker - 1] as number);
    return Math.max(0, until - this.clock.now());
  }

  draw([min, max]: DelayRange): number {
    return this.random.int(min, max);
  }

  /** Runs `f` once a request to the broker, or to any, that takes a time of this range has arrived; outages hold it up. */
  request(range: DelayRange, f: () => void, broker?: number): void {
    this.clock.schedule(this.outageLeftMs(broker) + this.draw(range), () => {
      // The outage began while the request was under way.
      if (this.outageLeftMs(broker) > 0) this.request(range, f, broker);
      else f();
    });
  }

  schedule(ms: number, f: () => void): Cancellable {
    return this.clock.schedule(ms, f);
  }

  /** Ours rather than the client's: the same call may succeed later. */
  retriable(code: KafkaErrorCode, message: string): KafkaConnectorError {
    return new KafkaConnectorError(code, `${message} (simulated, seed ${this.seed})`, { retriable: true });
  }

  error(code: KafkaErrorCode, message: string, clientCode?: number): KafkaConnectorError {
    const text = `${message} (simulated, seed ${this.seed})`;
    if (clientCode === undefined) return new KafkaConnectorError(code, text);
    return new KafkaConnectorError(code, text, { clientCode, ...MEANING.get(clientCode) });
  }
}
