import type { Logger } from "@millrace/streams";
import { isFailure, type Run, type SourceStage } from "@millrace/streams/stage";
import { requireFinishing } from "../../settings/bound-settings.js";
import { DeadLetterWriter } from "../../dead-letters/dead-letter-writer.js";
import { isDeadLetters } from "../../settings/dead-letter-settings.js";
import { ConsumerSession } from "../consumer-session.js";
import type { RecordReader } from "./record-reader.js";
import { joinRun } from "./run-sessions.js";
import { type BorrowedConsumerSettings, parseReading } from "../shared/borrowing.js";
import { subscriptionText } from "../../settings/subscription-text.js";
import type { Control } from "../control.js";
import { failureLogOf } from "../../logging/failure-log.js";
import { ConsumerControl } from "../consumer-control.js";
import { RecordOutlet } from "./record-outlet.js";
import type { ConsumerSettings } from "../../settings/consumer-settings.js";
import type { ParsedConsumer } from "../../settings/parse-consumer.js";

export interface ConsumerSourceOptions<out A> {
  /** The factory's; the stage has the subscription in its name too. */
  readonly name: string;
  readonly settings: ParsedConsumer;
  /** Makes what writes dead letters, for each run. */
  readonly letters: () => DeadLetterWriter;
  readonly logger: Logger;
  readonly reader: RecordReader<A>;
}

/** Parses the settings of a source, which refuses what would lose messages. */
export const consumerOptions = <A>(
  name: string,
  settings: ConsumerSettings | BorrowedConsumerSettings,
  commits: boolean,
  reader: RecordReader<A>,
): ConsumerSourceOptions<A> => {
  const { kafka, ...reading } = parseReading(settings, name, commits);
  requireFinishing(reading.settings, name, reader.opensClaims);
  const { undecodable } = reading.settings;
  const letters = (): DeadLetterWriter => new DeadLetterWriter(kafka, name);
  // Refuses here, and not only with the first record.
  if (isDeadLetters(undecodable)) letters().dialectOf(undecodable);
  return { name, ...reading, letters, reader };
};

/** As the source is drawn and named in errors: `committableSource(orders)`. */
export const stageName = ({ name, settings }: Pick<ConsumerSourceOptions<never>, "name" | "settings">): string =>
  `${name}(${subscriptionText(settings.subscription)})`;

/** All records of a consumer in one stream. */
export const consumerSource = <A>(options: ConsumerSourceOptions<A>): SourceStage<A, Control> => ({
  name: stageName(options),
  create(run: Run) {
    const { reader, settings, logger, letters } = options;
    const session = new ConsumerSession({
      settings,
      logger,
      failures: failureLogOf(run, logger, { groupId: settings.groupId }),
      clock: run.clock,
      withContext: options.reader.withContext,
      letters,
      listener: {
        onAvailable: () => outlet.notify(),
        onDone: (_, all) => {
          if (all) void control.stop();
        },
      },
    });
    const outlet: RecordOutlet<A> = new RecordOutlet({
      session,
      reader,
      run,
      logger,
      take: (records) => session.take(records),
      partitions: () => session.partitions,
      onFailure: () => {
        session.streamFailed();
        session.stop();
      },
      onCancel: (cause) => {
        if (isFailure(cause)) session.streamFailed();
        session.abandon();
      },
    });
    joinRun(run, session);
    const control: Control = new ConsumerControl(session, run, () => {
      session.stop();
      outlet.complete();
    });
    session.start();
    // Once the run has ended nothing of it can commit any more.
    run.onEnd(() => control.shutdown());
    return { outlet, mat: control };
  },
});
