// Runs the demo and records what it prints, and when, as docs/demo.svg: `node scripts/record.mjs`.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const COMMAND = "npx --yes pnpm@10.34.9 demo";
const [WIDTH, LINE, PAD, FONT] = [1010, 19, 16, 13];
/** Nobody watches for longer that nothing happens. */
const LONGEST_GAP_MS = 900;
const COLOURS = { killed: "#ff7b72", verdict: "#7ee787", step: "#e6edf3", rest: "#9da7b1" };

const kindOf = (line) => {
  if (/SIGKILL/.test(line)) return "killed";
  if (/^delivered .* lost 0/.test(line)) return "verdict";
  return /^(\d+\.|\$)/.test(line) ? "step" : "rest";
};

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** The lines with the milliseconds after which each is shown. */
const record = async () => {
  const demo = spawn(process.execPath, ["scripts/demo.mjs"], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = [{ text: `$ ${COMMAND}`, at: 0 }];
  let last = Date.now();
  for await (const text of createInterface({ input: demo.stdout })) {
    const now = Date.now();
    lines.push({ text, at: lines.at(-1).at + Math.min(now - last, LONGEST_GAP_MS) });
    last = now;
  }
  return lines;
};

const svg = (lines) => {
  const height = 2 * PAD + LINE * lines.length;
  const rows = lines.map(({ text, at }, index) => {
    const y = PAD + LINE * (index + 0.75);
    const style = `animation-delay:${(at / 1000).toFixed(2)}s`;
    return `<text x="${PAD}" y="${y}" fill="${COLOURS[kindOf(text)]}" style="${style}">${escaped(text)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="What the demo prints">
<style>text{font:${FONT}px ui-monospace,SFMono-Regular,Menlo,monospace;white-space:pre;opacity:0;animation:show 1ms forwards}@keyframes show{to{opacity:1}}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.join("\n")}
</svg>
`;
};

const lines = await record();
const verdict = lines.at(-1).text;
if (!/^delivered (\d+) of \1 orders, lost 0/.test(verdict)) throw new Error(`The demo did not hold: ${verdict}`);
writeFileSync("docs/demo.svg", svg(lines));
console.log(`docs/demo.svg: ${lines.length} lines, ${verdict}`);
