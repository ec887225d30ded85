import type { OwnedPartition } from "./partitions/owned-partition.js";
import { type Delivery, Turns } from "./reading/turns.js";
import { type Bounds, isDone } from "./rebalancing/bounds.js";
import type { SessionContext } from "./rebalancing/session-context.js";
import type { StallWatch } from "./recovery/stall-watch.js";

export interface DeliveryListener {
  /** There may be records to take, or the session failed. */
  onAvailable(): void;
  /** A bounded source has delivered all there is to deliver of these or, with `all`, of everything. */
  onDone(partitions: readonly OwnedPartition[], all: boolean): void;
}

/** What a session hands to its stream, within its bounds. */
export class Deliveries {
  readonly #context: SessionContext;
  readonly #bounds: Bounds | undefined;
  readonly #listener: DeliveryListener;
  readonly #stall: StallWatch;
  readonly #turns = new Turns();
  /** Bounds hold back what waits to be delivered. */
  #held = false;

  constructor(
    context: SessionContext,
    bounds: Bounds | undefined,
    { listener, stall }: { readonly listener: DeliveryListener; readonly stall: StallWatch },
  ) {
    this.#context = context;
    this.#bounds = bounds;
    this.#listener = listener;
    this.#stall = stall;
  }

  /** See `ConsumerSession.take`. */
  take(records: number, only: OwnedPartition | undefined): readonly Delivery[] {
    const { life, clock, reading, assignment, commits } = this.#context;
    if (life.isStopped) return [];
    const now = clock.now();
    const room = reading.flow.deliveryRoom(now, records);
    const partitions = only ? [only] : [...assignment.partitions];
    const deliveries = this.#turns.take(partitions, room, (owned) => reading.flow.room(owned));
    if (deliveries.length > 0) reading.wake();
    else this.#held = assignment.hasBuffered;
    if (deliveries.length === 0 && partitions.some((owned) => owned.buffered > 0 && !owned.buffer.isPutOff))
      this.#stall.held();
    commits.delivered(now);
    return deliveries;
  }

  /** A bounded source ends when everything that it was assigned has been delivered up to its bound. */
  tellDone(): void {
    if (!this.#bounds) return;
    const owned = [...this.#context.assignment.partitions];
    const done = owned.filter(isDone);
    if (done.length > 0) this.#listener.onDone(done, done.length === owned.length);
  }

  /**
   * The one way to say that more may be delivered than before: a claim has ended, the broker has a position, a hold or
   * a pause is over, a partition is given up. The stream that found nothing to take is woken; any other asks by itself.
   */
  onRoom(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#stall.released();
    this.#listener.onAvailable();
  }

  stop(): void {
    this.#stall.released();
  }
}
