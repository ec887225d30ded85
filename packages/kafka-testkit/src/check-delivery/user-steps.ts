import type { Control, TopicPartition } from "@millrace/kafka";
import type { VirtualClock } from "@millrace/streams-testkit";
import type { Random } from "../simulated/random.js";
import type { SimulatedKafka } from "../simulated/simulated-kafka.js";
import type { CommitWatch } from "./commit-watch.js";
import type { Effects } from "./effects.js";
import { errorText } from "./error-text.js";
import { INPUT } from "./world-of.js";

/** What a user may do to a running source. */
export type Steered = Pick<Control, "assignment" | "pause" | "resume" | "seek" | "replayFrom">;

export interface UserStepsOptions {
  readonly kafka: SimulatedKafka;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly effects: Effects;
  readonly watch: CommitWatch;
  readonly note: (text: string) => void;
  /** Its consequences begin now. */
  readonly onDisturbed: () => void;
}

/** A user who steers a pipeline, and reports to the judges what is skipped and what is to be read again. */
export class UserSteps {
  readonly #options: UserStepsOptions;
  #moving = false;

  constructor(options: UserStepsOptions) {
    this.#options = options;
  }

  /** Of everything, or of one partition, for a while. */
  pause(control: Steered): void {
    const { random, clock, note, onDisturbed } = this.#options;
    const one = random.happens(0.5) ? this.#oneOf(control) : undefined;
    const paused = one && [one];
    note(`the user pauses ${one ? `partition ${one.partition}` : "everything"}`);
    control.pause(paused);
    clock.schedule(random.int(10, 3000), () => {
      note(`the user resumes ${one ? `partition ${one.partition}` : "everything"}`);
      control.resume(paused);
      onDisturbed();
    });
  }

  /** One partition, forward or back, or nowhere. */
  seek(control: Steered): void {
    const { random, effects } = this.#options;
    const one = this.#oneOf(control);
    if (!one) return;
    const offset = random.int(0, effects.endOf(one.partition));
    this.#move(one, offset, () => control.seek([{ ...one, offset }]));
  }

  /** One partition; what is younger than the time is read again, and what is older is skipped. */
  replay(control: Steered): void {
    const { random, clock, kafka } = this.#options;
    const one = this.#oneOf(control);
    if (!one) return;
    const timestamp = random.int(0, Math.floor(clock.now()));
    const first = kafka.records(INPUT, one.partition).find((record) => record.timestamp >= timestamp);
    // Without such a record it is left where it is.
    if (first) this.#move(one, first.offset, () => control.replayFrom(timestamp, [one]));
  }

  #oneOf(control: Steered): TopicPartition | undefined {
    const assigned = control.assignment();
    return assigned[this.#options.random.int(0, Math.max(0, assigned.length - 1))];
  }

  /** One move at a time, so that it is known which of them has failed. */
  #move({ partition }: TopicPartition, offset: number, go: () => Promise<unknown>): void {
    if (this.#moving) return;
    const { effects, watch, note, onDisturbed } = this.#options;
    const skipped = effects.skip(partition, offset);
    watch.mayGoBack(partition, offset);
    note(`the user moves partition ${partition} to offset ${offset}`);
    this.#moving = true;
    go().then(
      () => {
        this.#moving = false;
        watch.moved(partition, offset);
        note(`partition ${partition} is read from offset ${offset}`);
        onDisturbed();
      },
      (error: unknown) => {
        this.#moving = false;
        // It was not moved, so everything behind still has to be done.
        effects.unskip(skipped);
        note(`partition ${partition} is not moved: ${errorText(error)}`);
        onDisturbed();
      },
    );
  }
}
