import type { BufferedRun } from "../partitions/fetched-chunk.js";
import type { DeliveryRoom } from "./flow-control.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";

/** A part of a fetched chunk that is delivered now. */
export interface Delivery {
  readonly owned: OwnedPartition;
  readonly run: BufferedRun;
}

/** Takes what may be delivered, a run of each partition in turn. */
export class Turns {
  /** Whose turn it is, as an index that only grows. */
  #next = 0;

  /** At most as many records as `room` says, and of each partition as `roomOf` says. */
  take(
    partitions: readonly OwnedPartition[],
    room: DeliveryRoom,
    roomOf: (owned: OwnedPartition) => number,
  ): readonly Delivery[] {
    const deliveries: Delivery[] = [];
    let { records, bytes } = room;
    for (let tried = 0; tried < partitions.length && records > 0; tried++) {
      const owned = partitions[this.#next % partitions.length] as OwnedPartition;
      const most = Math.min(roomOf(owned), records);
      const alone = deliveries.length === 0 ? Math.min(most, 1) : 0;
      const run = owned.take(most, bytes) ?? owned.take(alone, room.recordBytes);
      // Its record is too large for what is left. No other overtakes it, or it might never find room.
      if (!run && most > 0 && owned.buffered > 0) break;
      this.#next += 1;
      if (!run) continue;
      deliveries.push({ owned, run });
      records -= run.to - run.from;
      bytes -= run.bytes;
    }
    return deliveries;
  }
}
