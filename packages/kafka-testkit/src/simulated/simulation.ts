import { KafkaConnectorError, type KafkaErrorCode } from "@millrace/kafka";
import type { Cancellable, Clock } from "@millrace/streams";
import { type DelayRange, FAULTLESS, type SimulatedFaults } from "./faults.js";
import { Random } from "./random.js";

/** The client's and the broker's codes the simulation answers with. */
export const CODE = {
  transport: -195,
  messageTimedOut: -192,
  fatal: -150,
  unknownPartition: -190,
  unknownTopic: -188,
  timedOut: -185,
  maxPollExceeded: -147,
  noOffset: -140,
  missingTopic: 3,
  tooLarge: 10,
  notCoordinator: 16,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  groupAuthorization: 30,
} as const;

const RETRIABLE: ReadonlySet<number> = new Set([
  CODE.transport,
  CODE.messageTimedOut,
  CODE.timedOut,
  CODE.maxPollExceeded,
  CODE.missingTopic,
  CODE.notCoordinator,
  CODE.rebalanceInProgress,
]);

/** What all parts of one simulated cluster share: its time, its choices, its faults and its history. */
export class Simulation {
  readonly seed: number;
  readonly clock: Clock;
  readonly random: Random;
  faults: SimulatedFaults;
  readonly #onEvent: ((event: string) => void) | undefined;
  #outageEndsAt = Number.NEGATIVE_INFINITY;

  constructor(
    seed: number,
    clock: Clock,
    faults: Partial<SimulatedFaults>,
    onEvent: ((event: string) => void) | undefined,
  ) {
    this.seed = seed;
    this.clock = clock;
    this.random = new Random(seed);
    this.faults = { ...FAULTLESS, ...faults };
    this.#onEvent = onEvent;
  }

  event(what: string): void {
    this.#onEvent?.(`${this.clock.now()} ${what}`);
  }

  startOutage(ms: number): void {
    this.#outageEndsAt = Math.max(this.#outageEndsAt, this.clock.now() + ms);
  }

  /** How long the brokers stay unreachable; 0 when they are up. */
  get outageLeftMs(): number {
    return Math.max(0, this.#outageEndsAt - this.clock.now());
  }

  draw([min, max]: DelayRange): number {
    return this.random.int(min, max);
  }

  /** Runs `f` once a request that is under way for a time of this range has arrived; an outage holds it up. */
  request(range: DelayRange, f: () => void): void {
    this.clock.schedule(this.outageLeftMs + this.draw(range), () => {
      // The outage began while the request was under way.
      if (this.outageLeftMs > 0) this.request(range, f);
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
    return new KafkaConnectorError(code, text, {
      clientCode,
      retriable: RETRIABLE.has(clientCode),
      fatal: clientCode === CODE.fatal,
    });
  }
}
