// mocha's own reporter for people, plus one line of counts, and one for each failure, for scripts/test.mjs.
const { appendFileSync } = require("node:fs");
const { reporters } = require("mocha");

const Base = process.env.MILLRACE_REPORTER === "spec" ? reporters.Spec : reporters.Dot;

module.exports = class CountingReporter extends Base {
  constructor(runner, options) {
    super(runner, options);
    const { MILLRACE_COUNTS: counts, MILLRACE_FAILURES: failed } = process.env;
    runner.on("fail", (test, error) => {
      const said = String(error?.message ?? error).split("\n")[0];
      if (failed) appendFileSync(failed, `${test.fullTitle()}: ${said}\n`);
    });
    runner.once("end", () => {
      const { passes, failures, pending } = this.stats;
      if (counts) appendFileSync(counts, `${passes} ${failures} ${pending}\n`);
    });
  }
};
