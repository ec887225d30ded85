/** Who may import whom; type-only imports obey the same rules. */

const streams = "^packages/streams/src/";
const surface = `${streams}([^/]+[.]ts$|with-context/)`;
// Plain vocabulary without behaviour of its own, which every layer may name.
const vocabulary = `${streams}(attributes|copies|errors|logger)[.]ts$`;

const kafka = "^packages/kafka/src/";
// The rooms of the connector, from the bottom to the top: none imports from one above it.
const rooms = [
  "errors/",
  "client/[^/]+[.]ts$",
  "client/(rdkafka|confluent)/",
  "logging/",
  "settings/",
  "ledger/",
  "offsets/",
  "records/",
  "producer/",
  "admin/",
  "dead-letters/",
  "consumer/partitions/",
  "consumer/reading/",
  "consumer/committing/",
  "consumer/rebalancing/",
  "consumer/recovery/",
  "consumer/shared/",
  "consumer/[^/]+[.]ts$",
  "graph-check/",
  "consumer/stages/",
  "restarting/",
  "handling/",
  "[^/]+[.]ts$",
].map((room) => `${kafka}${room}`);

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      comment: "Each file can be read, and loaded, before those that import it.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "index-is-the-end",
      comment: "The public entries gather; nothing of their own package imports them.",
      severity: "error",
      from: { path: "^packages/([^/]+)/src/" },
      to: { path: "^packages/$1/src/(index|stage)[.]ts$" },
    },
    {
      name: "stages-below-surface",
      comment: "A stage, the engine and the model know nothing of Source, Flow and Sink.",
      severity: "error",
      from: { path: `${streams}(stages|engine|model)/` },
      to: { path: surface, pathNot: vocabulary },
    },
    {
      name: "engine-below-stages",
      severity: "error",
      from: { path: `${streams}(engine|model)/` },
      to: { path: `${streams}stages/` },
    },
    {
      name: "stages-apart",
      comment: "What two families share belongs to the engine; within a family a builder may be shared.",
      severity: "error",
      from: { path: `${streams}stages/([^/]+)/` },
      to: { path: `${streams}stages/`, pathNot: `${streams}stages/$1/` },
    },
    {
      name: "model-is-data",
      comment: "A graph, and what a stage is, name the type of a run, and nothing else that runs.",
      severity: "error",
      from: { path: `${streams}model/` },
      to: { path: streams, pathNot: `${streams}(model/|engine/run[.]ts|(attributes|copies|errors)[.]ts)` },
    },
    {
      name: "model-names-types",
      severity: "error",
      from: { path: `${streams}model/` },
      to: { path: `${streams}engine/`, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "streams-alone",
      comment: "The streams need nothing but the language.",
      severity: "error",
      from: { path: streams },
      to: { pathNot: streams },
    },
    {
      name: "packages-by-name",
      comment: "Another package is reached through its exports: `@millrace/streams`, not a path into it.",
      severity: "error",
      from: { path: "^packages/([^/]+)/" },
      to: { path: "^packages/", pathNot: "^packages/($1/|[^/]+/src/(index|stage)[.]ts$)" },
    },
    {
      name: "tests-of-a-package-are-its-own",
      comment: "What several tests need lies in test/support.",
      severity: "error",
      from: { pathNot: "^packages/" },
      to: { path: "^packages/[^/]+/test/" },
    },
    {
      name: "no-test-kit-in-production",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: "^packages/[^/]+-testkit/" },
      to: { path: "^packages/[^/]+-testkit/|^test/|/test/|node_modules/(mocha|chai|fast-check)" },
    },
    {
      name: "rdkafka-behind-the-port",
      comment: "Only the settings and the public entry know which client it is.",
      severity: "error",
      from: { path: kafka, pathNot: `${kafka}(client/(rdkafka|confluent)/|settings/|index[.]ts$)` },
      to: { path: `${kafka}client/(rdkafka|confluent)/` },
    },
    ...rooms.map((room, floor) => ({
      name: `no-way-up-from-${room.slice(kafka.length).replace(/\/?(\[.*)?$/, "") || "the-root"}`,
      severity: "error",
      from: { path: room },
      to: { path: kafka, pathNot: rooms.slice(0, floor + 1) },
    })),
    {
      name: "declared-only",
      comment: "What a package imports stands in its package.json.",
      severity: "error",
      from: { path: "^packages/[^/]+/src/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"], dependencyTypesNot: ["npm-peer"] },
    },
    {
      name: "resolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|coverage|[.]cache)/" },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    tsConfig: { fileName: "tsconfig.check.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@millrace/source", "import", "node", "default", "types"],
      extensions: [".ts", ".mjs", ".cjs", ".js", ".json"],
    },
  },
};
