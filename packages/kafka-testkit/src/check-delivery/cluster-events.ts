import { GROUP, INPUT } from "./world-of.js";

/** A position of the input, as the broker stores it. */
export interface StoredPosition {
  readonly partition: number;
  readonly position: number;
}

export type ClusterEvent =
  /** A process may die here. */
  | {
      readonly kind: "step";
      readonly life: string;
      readonly text: string;
      readonly givenUp: readonly number[];
      readonly taken: readonly number[];
    }
  | { readonly kind: "commit"; readonly life: string; readonly positions: readonly StoredPosition[] }
  | { readonly kind: "note"; readonly text: string };

const COMMIT = new RegExp(`^group ${GROUP}: commit (.*) by (\\S+)-\\d+ of generation \\d+( refused)?`);
const POSITION = new RegExp(`\\b${INPUT}-(\\d+)@(\\d+)`, "g");
const PARTITION = new RegExp(`\\b${INPUT}-(\\d+)`, "g");
const STEP = /^(\S+): (on(?:Assign|Revoke|Lost) .*|\d+ records stored .*)/;
const NOTE = / refused|lost|timed out|gives|commit fails|seek of|outage|broker|transaction/;

/** Reads a line of the simulated cluster's history; `undefined` where nothing is to be learnt from it. */
export const clusterEvent = (line: string): ClusterEvent | undefined => {
  const text = line.slice(line.indexOf(" ") + 1);
  const commit = COMMIT.exec(text);
  if (commit && !commit[3]) {
    const positions = [...(commit[1] as string).matchAll(POSITION)].map(([, partition, position]) => ({
      partition: Number(partition),
      position: Number(position),
    }));
    return { kind: "commit", life: commit[2] as string, positions };
  }
  const step = STEP.exec(text);
  if (step) {
    const partitions = [...text.matchAll(PARTITION)].map(([, partition]) => Number(partition));
    const givenUp = /^on(Revoke|Lost)/.test(step[2] as string) ? partitions : [];
    const taken = (step[2] as string).startsWith("onAssign") ? partitions : [];
    return { kind: "step", life: step[1] as string, text, givenUp, taken };
  }
  return NOTE.test(text) ? { kind: "note", text } : undefined;
};
