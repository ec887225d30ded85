/** In how many ways a graph can commit an offset whose record is not done. */
export type HazardCode =
  /** Results leave a stage in another order than their records came. */
  | "ORDER_LOST"
  /** A key divides partitions, so that groups of one partition overtake one another. */
  | "GROUPS_SPLIT_PARTITIONS"
  /** A record has several ways to go, and its offset reaches the committer by one of them. */
  | "SPLIT_NOT_REJOINED"
  /** Elements may be dropped unintentionally; a later offset commits their records all the same. */
  | "DROPS_OFFSETS"
  /** Two committers of one source know nothing of each other. */
  | "TWO_COMMITTERS";

/** What is worth knowing about a graph, but no reason to refuse it. */
export type GraphNoteCode =
  /** A dropped element's offset is committed with the next one of its partition. */
  | "SKIPS_OFFSETS"
  /** A stage may emit several elements for one. */
  | "ADDS_ELEMENTS"
  /** A function keeps a state between elements: what stays in it has no claim any more. */
  | "KEEPS_STATE"
  /** A decider may drop elements that failed. */
  | "SKIPS_FAILURES"
  /** A stage has no traits: only the order guard watches it. */
  | "UNKNOWN_STAGE"
  /** No committer can be reached: what is committed is committed by hand. */
  | "NO_COMMITTER"
  /** A stage may emit an element of its own in place of a failure. */
  | "RECOVERS_FAILURES"
  /** A stage may end the group of a partition, whose later records go nowhere. */
  | "ENDS_GROUP"
  /** A committer is given offsets whose source is in another graph. */
  | "BRIDGED_OFFSETS"
  /** The graphs of a source's partitions are not known before they run. */
  | "UNCHECKED_PARTITIONS";

export interface GraphNote {
  readonly code: GraphNoteCode;
  /** The source whose offsets are meant. */
  readonly source: string;
  /** As `describe()` shows it. */
  readonly stage: string;
  /** What the check does not see here: one clause with the stage as its subject. */
  readonly text: string;
  /** What to check. */
  readonly fix: string;
}

export interface GraphHazard {
  readonly code: HazardCode;
  /** The source whose offsets are meant. */
  readonly source: string;
  /** As `describe()` shows it. */
  readonly stage: string;
  /** What goes wrong: one clause with the stage as its subject. */
  readonly problem: string;
  /** What to do instead. */
  readonly fix: string;
}

const hazardLine = ({ code, stage, problem, fix }: GraphHazard): string =>
  `${stage} ${problem} (${code}). Fix: ${fix}.`;

/** As it is logged. */
export const noteLine = ({ stage, text, code, fix }: GraphNote): string =>
  `${stage} ${text} (${code}). See to it: ${fix}.`;

/** The findings of a walk from each source of offsets to its committer. */
export class GraphReport {
  readonly hazards: readonly GraphHazard[];
  readonly notes: readonly GraphNote[];

  constructor(hazards: readonly GraphHazard[], notes: readonly GraphNote[]) {
    this.hazards = hazards;
    this.notes = notes;
  }

  /** A line for each hazard, then one for each note. */
  toString(): string {
    const hazards = this.hazards.map((hazard) => `${hazard.source}: ${hazardLine(hazard)}`);
    const notes = this.notes.map((note) => `${note.source}: ${noteLine(note)}`);
    return [...hazards, ...notes].join("\n");
  }
}

/** The lines of an error's text. */
export const hazardLines = (hazards: readonly GraphHazard[]): string => hazards.map(hazardLine).join("\n  ");
