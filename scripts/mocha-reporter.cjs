// mocha's own reporter for people, plus one line of counts for scripts/test.mjs.
const { appendFileSync } = require("node:fs");
const { reporters } = require("mocha");

const Base = process.env.MILLRACE_REPORTER === "spec" ? reporters.Spec : reporters.Dot;

module.exports = class CountingReporter extends Base {
  constructor(runner, options) {
    super(runner, options);
    runner.once("end", () => {
      const { passes, failures, pending } = this.stats;
      if (process.env.MILLRACE_COUNTS) {
        appendFileSync(process.env.MILLRACE_COUNTS, `${passes} ${failures} ${pending}\n`);
      }
    });
  }
};
