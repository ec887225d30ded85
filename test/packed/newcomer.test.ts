import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EmbeddedKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { root, snippetsOf } from "../docs/support/snippets.js";
import { type Ended, ServiceProcess } from "../support/service-process.js";
import { Installed } from "./support/install.js";

const PAGE = join(root, "docs/guide/get-started.md");
const ORDERS = ["book", "chair", "clock", "lamp", "table"];
const SHIPPING = "shipping.ts";
const MAIN = "main.ts";

/** Nothing but the text of README and "Get started", in a blank folder with the packages as they would be published. */
describe("a newcomer's first hour", function () {
  this.timeout(90_000);
  const page = readFileSync(PAGE, "utf8");
  const files = new Map(snippetsOf(PAGE).flatMap(({ file, code }) => (file ? [[file, code] as const] : [])));
  const codeOf = (name: string): string => files.get(name) ?? "";
  let installed: Installed;
  let kafka: EmbeddedKafka;

  before(() => {
    installed = new Installed();
    for (const [name, code] of files) writeFileSync(join(installed.folder, name), code);
  });
  after(() => rmSync(installed.folder, { recursive: true, force: true }));
  beforeEach(async () => void (kafka = await EmbeddedKafka.start()));
  afterEach(() => kafka.stop());

  /** A command of the page, which begins with `node`. */
  const start = (command: string, env: Readonly<Record<string, string>> = {}): ServiceProcess => {
    expect(page, "the command stands in the page").to.include(`\n${command}\n`);
    return run(command.split(" ").slice(1), env);
  };
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): ServiceProcess =>
    new ServiceProcess(args, { cwd: installed.folder, env: { KAFKA_BROKERS: kafka.brokers, ...env } });

  /** `main.ts` with another text in place of one it has, and with another `shipping.ts`. */
  const runWith = (from: string, to: string, shipping = codeOf(SHIPPING)): ServiceProcess => {
    expect(codeOf(MAIN)).to.include(from);
    writeFileSync(join(installed.folder, "other-shipping.ts"), shipping);
    const code = codeOf(MAIN).replace(from, to).replace("./shipping.js", "./other-shipping.js");
    writeFileSync(join(installed.folder, "other-main.ts"), code);
    return run(["--import", "tsx", "other-main.ts"]);
  };

  const well = async (running: ServiceProcess): Promise<Ended> => {
    const ended = await running.ended;
    expect(ended.code, `${ended.output}${ended.errors}`).to.equal(0);
    return ended;
  };
  const send = (): Promise<Ended> => well(start("node --import tsx send.ts"));
  /** The orders that are shipped by what is printed. */
  const shipped = (text: string): readonly string[] =>
    [...text.matchAll(/^shipped (\w+)$/gm)].map(([, order = ""]) => order).sort();

  it("has the files that the page names", () => {
    expect([...files.keys()].sort()).to.deep.equal([MAIN, "send.ts", "shipping.test.ts", SHIPPING]);
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`handles and commits every record; ${signal} ends it well, and the next one reads none again`, async () => {
      await send();
      // The embedded Kafka lets the second one in when a session is over.
      const soon = codeOf(SHIPPING).replace("topics:", "sessionTimeoutMs: 6000, topics:");
      const first = runWith("", "", soon);
      await first.until("all are shipped", () => shipped(first.output).length === ORDERS.length);
      const { code, output, errors } = await first.signal(signal);
      expect({ code, errors }).to.deep.equal({ code: 0, errors: "" });
      expect(shipped(output)).to.deep.equal(ORDERS);
      const [finishing = "", drained = ""] = output.split("\n").slice(ORDERS.length);
      if (signal === "SIGINT") expect(page).to.include(`\n${finishing}\n${drained}\n`);
      expect(drained).to.match(/^drained: 5 delivered, 5 processed/);

      const second = runWith("", "", soon);
      await send();
      await second.until("the new ones are shipped", () => shipped(second.output).length >= ORDERS.length);
      const ended = await second.signal(signal);
      expect(ended.code).to.equal(0);
      expect(shipped(ended.output)).to.deep.equal(ORDERS);
    });
  }

  it("runs the ten lines of the README", async () => {
    await send();
    const [first] = snippetsOf(join(root, "README.md"));
    const code = first?.code
      .replace(/^declare const ship: .*$/m, 'const ship = async (order: string) => console.log("shipped", order);')
      .replace('"localhost:9092"', JSON.stringify(kafka.brokers));
    expect(code).to.include("const ship = async").and.to.include(kafka.brokers);
    writeFileSync(join(installed.folder, "readme.ts"), code ?? "");
    const running = run(["--import", "tsx", "readme.ts"]);
    await running.until("all are shipped", () => shipped(running.output).length === ORDERS.length);
    const { code: exitCode, output } = await running.signal("SIGTERM");
    expect(exitCode).to.equal(0);
    expect(output).to.include("drained: 5 delivered, 5 processed");
  });

  it("tests the pipeline by the test of the page, which finds the mistake that the page names", async () => {
    await well(start("node --import tsx --test shipping.test.ts"));

    const [right, wrong] = ["({ value }) => ship(value)", "({ value }) => void ship(value)"];
    expect(page).to.include(`\`${wrong}\``);
    writeFileSync(join(installed.folder, SHIPPING), codeOf(SHIPPING).replace(right, wrong));
    const { code, output } = await start("node --import tsx --test shipping.test.ts").ended;
    writeFileSync(join(installed.folder, SHIPPING), codeOf(SHIPPING));
    expect(code).to.equal(1);
    expect(output).to.match(/LOST: record .* is lost/);
  });

  it("has a broker for those who have none, by the command of the page", async () => {
    expect(page).to.include("`npx embedded-kafka`");
    const broker = run(["node_modules/@millrace/kafka-testkit/bin/embedded-kafka.mjs"]);
    await broker.until("it says where it is", () => broker.output.includes("export KAFKA_BROKERS="));
    const address = /^export KAFKA_BROKERS=(\S+)$/m.exec(broker.output);
    await well(start("node --import tsx send.ts", { KAFKA_BROKERS: address?.[1] ?? "" }));
    expect((await broker.signal("SIGINT")).code).to.equal(0);
  });

  describe("when something is wrong", () => {
    /** The cells of a row of the page's table. */
    const rowOf = (what: string): string => page.split("\n").find((line) => line.startsWith(`| ${what}`)) ?? "";
    const saysSo = (what: string, { code, errors }: Ended): void => {
      expect(code, errors).to.equal(1);
      const quoted = [
        ...rowOf(what)
          .replace(/^\|[^|]+\|/, "")
          .matchAll(/`([^`]+)`/g),
      ].map(([, text = ""]) => text);
      expect(quoted, `the row of ${what}`).not.to.deep.equal([]);
      // Which partition comes first is not known.
      const inAny = (text: string): string => text.replaceAll(/orders\[\d\]/g, "orders[n]");
      for (const text of quoted) expect(inAny(errors)).to.include(inAny(text));
    };

    it("says where a handler has thrown, and ends with exit code 1", async () => {
      await send();
      const wrong = runWith('console.log("shipped", order)', "{ throw new Error(`no van`); }");
      saysSo("`ship` throws", await wrong.ended);
    });

    it("says which record is not what its schema says", async () => {
      await send();
      const json = codeOf(SHIPPING)
        .replace("string()", "json(z.object({ id: z.string() }))")
        .replace("string }", "json }")
        .replace("ship(value)", "ship(value.id)");
      const wrong = runWith("runUntilSignal", "runUntilSignal", `import { z } from "zod";\n${json}`);
      saysSo("a record is not what", await wrong.ended);
    });

    it("says that a variable is not set", async () => {
      const wrong = runWith('process.env["KAFKA_BROKERS"] ?? "localhost:9092"', "process.env.NOWHERE");
      saysSo("`brokers: process.env.KAFKA_BROKERS`", await wrong.ended);
    });

    it("says at once that no broker is there, and gives up", async () => {
      const wrong = runWith('process.env["KAFKA_BROKERS"] ?? "localhost:9092"', '"127.0.0.1:1"');
      saysSo("no broker there", await wrong.ended);
    });
  });
});
