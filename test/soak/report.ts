import { commandOf, type SoakOptions } from "./options.js";
import type { LifeSlopes } from "./gates.js";
import type { Law, Verdict } from "./verdict.js";

const LIVES_SHOWN = 4;
const MARKS: Readonly<Record<Law["outcome"], string>> = {
  held: "ok",
  broken: "BROKEN",
  "not judged": "UNKNOWN",
  "too short": "skipped",
};

const slopeLine = ({ life, minutes, heap, outside, rss, cpuPerRecord }: LifeSlopes): string =>
  `  process ${life.slot} (life ${life.number}, ${life.pipeline}) ${minutes.toFixed(1)} min: ` +
  `heap ${heap.mean.toFixed(1)} MB, ${heap.slope.toFixed(2)} MB/min; ` +
  `outside of it ${outside === undefined ? "not judged" : `${outside.mean.toFixed(0)} MB, ${outside.slope.toFixed(2)} MB/min`}; ` +
  `${rss.toFixed(0)} MB resident; ${cpuPerRecord.toFixed(0)} µs of CPU per record`;

/** The end of a run, for people; its last line is what `.ci/run` counts. */
export const reportOf = ({ laws, explained, slopes, passed }: Verdict, options: SoakOptions): string => {
  const replayed = [...explained.replayed].map(([cause, count]) => `${count} (${cause})`);
  const count = (outcome: Law["outcome"]): number => laws.filter((law) => law.outcome === outcome).length;
  return [
    "",
    `Outputs that were repeated: ${replayed.join(", ") || "none"} from the uncommitted window; ` +
      `${explained.waking} by processes that woke up`,
    `Memory, first minute left out, longest lives first:`,
    ...slopes.slice(0, LIVES_SHOWN).map(slopeLine),
    ...(slopes.length === 0 ? ["  no process lived long enough to tell"] : []),
    "",
    ...laws.map(({ name, outcome, detail }) => `${MARKS[outcome].padEnd(8)} ${name}: ${detail}`),
    "",
    passed ? `It held; again by: ${commandOf(options)}` : `It did NOT hold; again by: ${commandOf(options)}`,
    `${count("held")} passed, ${count("broken") + count("not judged")} failed, ${count("too short")} skipped`,
  ].join("\n");
};
