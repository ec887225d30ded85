// Writes how often each test file called each function, and how long it took (`pnpm mutants`).
const { appendFileSync } = require("node:fs");
const { reporters } = require("mocha");

module.exports = class ReachReporter extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    let reached = new Map();
    let began = 0;
    let failed = false;
    globalThis.__reached = (id) => reached.set(id, (reached.get(id) ?? 0) + 1);
    const isOfFile = (suite) => suite.parent?.root === true;
    runner.on("suite", (suite) => {
      if (!isOfFile(suite)) return;
      reached = new Map();
      failed = false;
      began = Date.now();
    });
    runner.on("fail", () => {
      failed = true;
    });
    runner.on("suite end", (suite) => {
      if (!isOfFile(suite)) return;
      const line = { file: suite.file, ms: Date.now() - began, failed, reached: [...reached] };
      appendFileSync(process.env.MILLRACE_REACHED, `${JSON.stringify(line)}\n`);
    });
  }
};
