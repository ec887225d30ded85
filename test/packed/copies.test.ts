import { rmSync } from "node:fs";
import { Installed } from "./support/install.js";

describe("two copies of the packages in one process, as they would be published", function () {
  this.timeout(120_000);
  let installed: Installed;

  before(() => {
    installed = new Installed();
    installed.addFlows("flows");
    installed.addFlows("future-flows", {
      file: "dist/copies.js",
      from: "const PROTOCOL = ",
      to: "const PROTOCOL = 1000 + ",
    });
    installed.addFlows(
      "ancient-flows",
      { file: "dist/model/blueprint.js", from: "copy: COPY, ", to: "" },
      { file: "dist/model/blueprint.js", from: "part.copy = COPY;", to: "" },
      { file: "dist/model/fit.js", from: "throw misfit", to: "void misfit" },
    );
  });
  after(() => rmSync(installed.folder, { recursive: true, force: true }));

  it("refuse a graph of versions that do not fit, and say where both lie", () =>
    installed.run("incompatible.mjs", "future-flows"));

  it("refuse a graph with a part of a version that does not say what fits it", () =>
    installed.run("incompatible.mjs", "ancient-flows"));

  it("share graphs: sources, flows and sinks of either", () => installed.run("plain.mjs"));

  it("share graphs with context: every claim ends once", () => installed.run("with-context.mjs"));

  it("share graphs of Kafka, on both surfaces: everything is worked on once and committed", () =>
    installed.run("kafka.mjs"));
});
