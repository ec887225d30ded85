import { parseArgs } from "node:util";
import { type Row, type Suite } from "./suite.js";
import { benchTable, goalTable } from "./table.js";

const usage = `pnpm bench [engine|copy|keyed|ledger|handle|clients|event-loop] [--json] [--quick] [--polluted] [--only bench,…]
  clients: also [--full] [--rounds n] [--clients name]… [--sizes bytes,…] [--partitions n,…]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    polluted: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string" },
    // Names may have commas in them.
    clients: { type: "string", multiple: true },
    sizes: { type: "string" },
    partitions: { type: "string" },
  },
});

const load = async (subject: string): Promise<Suite> => {
  if (!/^[a-z-]+$/.test(subject)) throw new Error(usage);
  const { suite } = (await import(new URL(`./${subject}.bench.js`, import.meta.url).href)) as { suite: Suite };
  return suite;
};

const numbers = (text: string | undefined): readonly number[] | undefined => {
  const values = text?.split(",").map(Number);
  if (values?.some((value) => !Number.isInteger(value) || value <= 0)) throw new Error(usage);
  return values;
};

const suite = await load(positionals[0] ?? "engine");
const only = values.only?.split(",") ?? suite.benches;
const unknown = only.filter((bench) => !suite.benches.includes(bench));
if (unknown.length > 0) throw new Error(`no such bench: ${unknown.join(", ")}; there are ${suite.benches.join(", ")}`);

const rows: readonly Row[] = await suite.run({
  only,
  polluted: values.polluted,
  quick: values.quick,
  full: values.full,
  rounds: numbers(values.rounds)?.[0],
  subjects: values.clients,
  sizes: numbers(values.sizes),
  partitions: numbers(values.partitions),
  progress: (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  },
});
if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");

if (values.json) {
  console.log(JSON.stringify(rows, null, 2));
} else {
  for (const note of suite.notes ?? []) console.log(`${note}\n`);
  for (const bench of new Set(rows.map((row) => row.bench))) {
    console.log(
      `${benchTable(
        bench,
        rows.filter((row) => row.bench === bench),
      )}\n`,
    );
  }
  console.log(goalTable(suite.goals(rows)));
}
if (rows.some(({ failed }) => failed)) process.exitCode = 1;
