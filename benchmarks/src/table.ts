import { type Goal, holds, type Row } from "./suite.js";

const round = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

const columns: readonly { readonly title: string; readonly cell: (row: Row) => number | undefined }[] = [
  { title: "ns/element", cell: (row) => row.nsPerElement },
  { title: "per second", cell: (row) => row.perSecond ?? (row.nsPerElement && 1e9 / row.nsPerElement) },
  { title: "of loop's rate", cell: (row) => row.ratioToLoop },
  { title: "of explicit's", cell: (row) => row.ratioToExplicit },
  { title: "limit per second", cell: (row) => row.limitPerSecond },
  { title: "of limit", cell: (row) => row.ratioToLimit },
  { title: "CPU us/element", cell: (row) => row.cpuMicrosPerElement },
  { title: "longest stall ms", cell: (row) => row.longestStallMs },
  { title: "longest work ms", cell: (row) => row.longestWorkMs },
  { title: "longest GC ms", cell: (row) => row.longestGcMs },
  { title: "us/run", cell: (row) => row.microsPerRun },
  { title: "bytes/record", cell: (row) => row.bytesPerRecord },
  { title: "CPU s/million", cell: (row) => row.cpuSecondsPerMillion },
  { title: "p50 ms", cell: (row) => row.p50Ms },
  { title: "p99 ms", cell: (row) => row.p99Ms },
  { title: "max ms", cell: (row) => row.maxMs },
  { title: "peak RSS MB", cell: (row) => row.peakRssMb },
  { title: "peak heap MB", cell: (row) => row.peakHeapMb },
];

/** The rows of one bench as aligned text. */
export const benchTable = (bench: string, rows: readonly Row[]): string => {
  const used = columns.filter(({ cell }) => rows.some((row) => cell(row) !== undefined));
  const lines = [
    [bench, ...used.map(({ title }) => title)],
    ...rows.map((row) => [
      row.subject,
      ...used.map(({ cell }) => {
        const value = cell(row);
        return value === undefined ? "" : round(value);
      }),
    ]),
  ];
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0)))
        .join("  "),
    )
    .map((line, index) => [line, rows[index - 1]?.note].filter((text) => text !== undefined).join("  "))
    .join("\n");
};

const verdicts = new Map([
  [true, "pass"],
  [false, "FAIL"],
]);

export const goalTable = (goals: readonly Goal[]): string => {
  const width = Math.max(...goals.map(({ goal }) => goal.length));
  return goals
    .flatMap((goal) => {
      if (goal.measured === undefined) return [];
      const verdict = verdicts.get(holds(goal) === true);
      const sign = goal.atMost ? "<=" : ">=";
      return `${verdict}  ${goal.goal.padEnd(width)}  ${sign} ${goal.target}  measured ${round(goal.measured)}`;
    })
    .join("\n");
};
