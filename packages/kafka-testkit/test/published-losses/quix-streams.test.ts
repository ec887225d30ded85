import type { Read } from "./support/hand-made.js";
import { publishedLoss } from "./support/published-loss.js";
import { SerialConsumer } from "./support/serial-consumer.js";

/**
 * While the state of new partitions was recovered, data was paused, and the loop of the recovery took every message for one
 * of a changelog. A rebalance meanwhile assigned anew, which resets the pauses: data messages came, which the loop had no use
 * for (it crashed on them, or passed over them), and the position was behind them.
 */
class RecoversDeaf extends SerialConsumer {
  #recovering: readonly number[] = [];

  override onAssign(partitions: readonly number[]): void {
    super.onAssign(partitions);
    if (this.#recovering.length > 0) return;
    this.#recovering = [...this.owned];
    const recovered = this.hands.world.sleep(600).finally(() => {
      this.#recovering = [];
    });
    this.hands.beside(recovered);
  }

  override onRead(records: readonly Read[]): void {
    const isPaused = ({ partition }: Read): boolean => this.#recovering.includes(partition);
    super.onRead(this.#recovering.length > 0 ? records.filter(isPaused) : records);
  }
}

describe("Quix Streams", () => {
  publishedLoss("Quix #1146: data that came during a recovery passed over", {
    copy: (hands) => new RecoversDeaf(hands),
    found: ["LOST", "STUCK", "UNSAFE_COMMIT"],
    conditions: { records: 30, partitions: 3, processes: 2 },
  });
});
