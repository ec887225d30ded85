import type { Read } from "./support/hand-made.js";
import { publishedLoss } from "./support/published-loss.js";
import { TrackingConsumer } from "./support/tracking-consumer.js";

/** The automatic commit took what a poll had returned for done, whatever had become of it: a kill lost it. */
class CommitsWhatWasPolled extends TrackingConsumer {
  override onRead(records: readonly Read[]): void {
    super.onRead(records);
    for (const { partition, offset } of records) this.owned.get(partition)?.end(offset);
  }
}

describe("franz-go", () => {
  publishedLoss("franz-go #57: automatic commits of what was only polled", {
    copy: (hands) => new CommitsWhatWasPolled(hands),
    found: ["LOST", "UNSAFE_COMMIT"],
  });
});
