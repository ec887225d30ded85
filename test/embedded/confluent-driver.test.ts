import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { confluentOrSkip } from "../support/confluent.js";

const mocha = createRequire(import.meta.url).resolve("mocha/bin/mocha.js");
const root = fileURLToPath(new URL("../..", import.meta.url));

describe("the driver over @confluentinc/kafka-javascript", function () {
  this.timeout(240_000);

  it("passes the tests of the default driver on librdkafka's mock cluster", function () {
    confluentOrSkip(this);
    const { MILLRACE_COUNTS: _counts, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [mocha, "--reporter", "json", "test/embedded/driver.test.ts"],
      {
        cwd: root,
        env: { ...env, MILLRACE_TESTED_DRIVER: "@confluentinc/kafka-javascript" },
        encoding: "utf8",
        timeout: 200_000,
        killSignal: "SIGKILL",
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    const report = stdout.slice(stdout.indexOf("{\n"));
    expect(status, `${stderr}\n${report.slice(0, 4000)}`).to.equal(0);
    const { stats } = JSON.parse(report) as { readonly stats: { readonly passes: number; readonly failures: number } };
    expect(stats.failures).to.equal(0);
    expect(stats.passes).to.be.at.least(27);
  });
});
