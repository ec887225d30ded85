import { parseArgs } from "node:util";
import { type Row, type Suite } from "./suite.js";
import { benchTable, goalTable } from "./table.js";

const usage = "pnpm bench [engine|copy|keyed|ledger] [--json] [--quick] [--polluted] [--only bench,…]";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    polluted: { type: "boolean", default: false },
    only: { type: "string" },
  },
});

const load = async (subject: string): Promise<Suite> => {
  if (!/^[a-z-]+$/.test(subject)) throw new Error(usage);
  const { suite } = (await import(new URL(`./${subject}.bench.js`, import.meta.url).href)) as { suite: Suite };
  return suite;
};

const suite = await load(positionals[0] ?? "engine");
const only = values.only?.split(",") ?? suite.benches;
const unknown = only.filter((bench) => !suite.benches.includes(bench));
if (unknown.length > 0) throw new Error(`no such bench: ${unknown.join(", ")}; there are ${suite.benches.join(", ")}`);

const rows: readonly Row[] = await suite.run({
  only,
  polluted: values.polluted,
  quick: values.quick,
  progress: (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  },
});
if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");

if (values.json) {
  console.log(JSON.stringify(rows, null, 2));
} else {
  for (const note of suite.notes ?? []) console.log(`${note}\n`);
  for (const bench of only.filter((each) => rows.some((row) => row.bench === each))) {
    console.log(
      `${benchTable(
        bench,
        rows.filter((row) => row.bench === bench),
      )}\n`,
    );
  }
  console.log(goalTable(suite.goals(rows)));
}
