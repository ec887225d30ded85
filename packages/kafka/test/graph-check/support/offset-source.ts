import { type Logger, Source } from "@millrace/streams";
import { DONE, type SourceStage } from "@millrace/streams/stage";
import type { CommittableMessage } from "@millrace/kafka";
import { checkingOffsets } from "../../../src/graph-check/check-graph.js";

export type Message = CommittableMessage<string, string>;

interface LogLine {
  readonly level: "info" | "warn";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

/** A source of no messages whose graph is checked, how often it was begun, and what it logged. */
export interface OffsetSource {
  readonly source: Source<Message>;
  readonly begun: number;
  readonly logged: readonly LogLine[];
}

export const offsetSource = (
  surface: "explicit" | "followed" = "explicit",
  name = "committableSource",
): OffsetSource => {
  const logged: LogLine[] = [];
  const unexpected = (message: string): never => {
    throw new Error(`logged beside info and warn: ${message}`);
  };
  const logger: Logger = {
    debug: unexpected,
    info: (message, fields) => void logged.push({ level: "info", message, fields }),
    warn: (message, fields) => void logged.push({ level: "warn", message, fields }),
    error: unexpected,
  };
  let begun = 0;
  const stage: SourceStage<Message, void> = {
    name,
    create() {
      begun += 1;
      return { outlet: { pull: () => DONE, cancel: () => undefined }, mat: undefined };
    },
  };
  return {
    source: Source.fromStage(checkingOffsets(stage, surface, logger)),
    logged,
    get begun() {
      return begun;
    },
  };
};
