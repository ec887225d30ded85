// mocha's own reporter for people, plus for scripts/test.mjs: one line of counts, one for each failure, and which test is
// under way, should it never end.
const { appendFileSync, writeFileSync } = require("node:fs");
const { reporters } = require("mocha");

const Base = process.env.MILLRACE_REPORTER === "spec" ? reporters.Spec : reporters.Dot;

module.exports = class CountingReporter extends Base {
  constructor(runner, options) {
    super(runner, options);
    const { MILLRACE_COUNTS: counts, MILLRACE_FAILURES: failed, MILLRACE_UNDER_WAY: underWay } = process.env;
    const { stats } = this;
    const done = () => stats.passes + stats.failures + stats.pending;
    if (underWay)
      runner.on("test", (test) => writeFileSync(underWay, `${done()}/${runner.total}\n${test.fullTitle()}`));
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
