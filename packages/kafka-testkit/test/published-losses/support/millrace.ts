import {
  committerSink,
  DrainingControl,
  type FollowedSettings,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { DeliveryPipeline, DeliveryWorld } from "@millrace/kafka-testkit";

/** The effect of a record, again and again until it happens. */
const untilDone = async (world: DeliveryWorld, id: string): Promise<void> => {
  for (;;) {
    try {
      return await world.effect(id);
    } catch {
      // Rejects, too, once the process is dead.
      await world.sleep(200);
    }
  }
};

/** What Millrace has in place of the peers' parts: so many records at a time in any order, each followed by its claim. */
export const millrace =
  (atATime = 2, settings: Pick<FollowedSettings<string, string>, "rememberFinished"> = {}): DeliveryPipeline =>
  (world) =>
    sourceWithOffsetContext({ kafka: world.kafka, topics: [world.input], value: string(), ...settings })
      .mapAsyncUnordered(atATime, ({ value }) => untilDone(world, value))
      .toMat(committerSink({ maxIntervalMs: 60 }), DrainingControl.from);
