import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { EmbeddedKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { RawReader } from "../../examples/orders/src/raw-reader.js";
import { pages, root, type Snippet, snippetsOf } from "../docs/support/snippets.js";
import { ServiceProcess } from "../support/service-process.js";
import { Clients } from "./support/clients.js";
import { stubs } from "./support/page-stubs.js";

const PARTITIONS = [0, 1, 2, 3];
const RECORDS_PER_PARTITION = 5;

/** Inside the example, so that package names resolve as they do for its own code. */
const folder = join(root, "examples/orders/.cache", `pages-${process.pid}`);

const checked = pages()
  .flatMap(snippetsOf)
  // Those of several files are run by packed/newcomer.
  .filter(({ kind, file }) => kind === "check" && file === undefined);
const isService = ({ code }: Snippet): boolean => code.includes("runUntilSignal(");
const services = checked.filter(isService);
/** Those that end by themselves. */
const programs = checked.filter((snippet) => !isService(snippet) && /^(const .* = )?await /m.test(snippet.code));

/** Why some cannot run here. */
const ELSEWHERE: Readonly<Record<string, RegExp>> = {
  "creates topics, which the embedded Kafka cannot: see broker/admin": /admin\.createTopic/,
  "starts a broker: see broker/local-kafka": /LocalKafka\.start/,
  "checks a pipeline in the simulation, for longer: see kafka-testkit": /await checkDelivery/,
};
const runsElsewhere = ({ code }: Snippet): boolean => Object.values(ELSEWHERE).some((what) => what.test(code));

const firstOf = (code: string, what: RegExp): string | undefined => what.exec(code)?.slice(1).find(Boolean);
const inputOf = (code: string): string | undefined =>
  firstOf(code, /topics: \["([\w-]+)"\]/) ?? firstOf(code, /\{ topic: "([\w-]+)", partition/);
const outputOf = (code: string): string | undefined => firstOf(code, /topic: "([\w-]+)", key/);

const idOf = (partition: number, index: number): string => `order-${partition}${index}`;
const idsIn = (text: string): readonly string[] =>
  [...new Set([...text.matchAll(/order-\d\d/gi)].map(([id]) => id.toLowerCase()))].sort();

/** Written so that the code finds this cluster, and no port that others may have. */
const fileOf = (snippet: Snippet, brokers: string): string => {
  const file = join(folder, `${snippet.place.replaceAll(/[^\w-]+/g, "_")}.ts`);
  const example = pathToFileURL(join(root, "examples/orders/src/orders.ts")).href;
  const code = snippet.code
    .replaceAll(/"(localhost|127\.0\.0\.1):9092"/g, JSON.stringify(brokers))
    .replaceAll('"./orders.js"', JSON.stringify(example))
    .replaceAll("port: 8080", "port: 0");
  writeFileSync(file, `${code}\nexport {};\n`);
  return file;
};

const start = (file: string): ServiceProcess =>
  new ServiceProcess(["--import=tsx", `--import=${new URL("./support/page-stubs.ts", import.meta.url).href}`, file], {
    cwd: root,
  });

describe("the code in the pages, with records in its topic", function () {
  this.timeout(90_000);
  let kafka: EmbeddedKafka;
  let clients: Clients;

  before(() => void mkdirSync(folder, { recursive: true }));
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    kafka = await EmbeddedKafka.start();
    clients = new Clients(kafka.brokers);
  });
  afterEach(async () => {
    await clients.close();
    await kafka.stop();
  });

  /** `poison`: the last one of each partition is cut off. */
  const produceTo = async (
    topic: string,
    partitions: readonly number[],
    poison = false,
  ): Promise<readonly string[]> => {
    const ids = partitions.map((partition) =>
      Array.from({ length: RECORDS_PER_PARTITION }, (_, index) => idOf(partition, index)),
    );
    for (const [index, partition] of partitions.entries()) {
      const records = (ids[index] ?? []).map((id, at) => {
        const value = JSON.stringify({ id, customer: "c", items: [{ sku: "book", quantity: 1 }] });
        const isCut = poison && at === RECORDS_PER_PARTITION - 1;
        return { partition, key: Buffer.from(id), value: Buffer.from(isCut ? value.slice(0, -5) : value) };
      });
      await clients.produce(topic, ...records);
    }
    return ids.flat().sort();
  };

  it("asks for nothing of the reader that these tests do not give", () => {
    const declared = [...services, ...programs].flatMap(({ code }) =>
      [...code.matchAll(/^declare const (\w+)/gm)].map(([, name = ""]) => name),
    );
    expect(declared.filter((name) => !(name in stubs))).to.deep.equal([]);
    expect(services.length).to.be.greaterThan(20);
    expect(programs.filter(runsElsewhere)).to.have.length(Object.keys(ELSEWHERE).length);
  });

  for (const snippet of services) {
    it(`${snippet.place}: each record is handled and committed, and SIGTERM ends it well`, async () => {
      const { code } = snippet;
      const [input = "", output] = [inputOf(code), outputOf(code)];
      const commits = /resilient\(|committerSink|committerFlow|committableSink|atMostOnceSource/.test(code);
      const partitions = code.includes("sharedConsumer") ? [0, 1] : PARTITIONS;
      const leavesOut = code.includes("undecodable: discard(");
      const handsOn = code.includes('undecodable: "element"');
      const ids = await produceTo(input, partitions, leavesOut || handsOn);
      const ends = partitions.map(() => RECORDS_PER_PARTITION);
      const reader = await RawReader.open(kafka.brokers, firstOf(code, /groupId: "([\w-]+)"/) ?? "");
      try {
        const committed = async (): Promise<readonly unknown[]> => {
          const positions = await reader.committed(input);
          return partitions.map((partition) => positions[partition]);
        };
        const service = start(fileOf(snippet, kafka.brokers));
        await service.until(commits ? "all was committed" : "all was handled", async () =>
          commits
            ? (await committed()).every((position) => position === RECORDS_PER_PARTITION)
            : service.output.split("\n").length > ids.length,
        );
        const { code: exitCode, output: said, errors } = await service.signal("SIGTERM");

        expect(exitCode, `${said}${errors}`).to.equal(0);
        if (leavesOut) expect(errors.match(/left out: not an order/g)).to.have.length(partitions.length);
        else expect(errors).to.equal("");
        const all = leavesOut
          ? `(\\d+) delivered, \\d+ processed, ${partitions.length} discarded`
          : "(\\d+) delivered, \\1 processed";
        const drained = said.matchAll(commits ? new RegExp(`drained: ${all}`, "g") : /drained: (\d+) delivered; /g);
        const counts = [...drained].map(([, count]) => Number(count));
        expect(
          counts.reduce((sum, count) => sum + count, 0),
          said,
        ).to.equal(ids.length);
        if (commits) expect(await committed()).to.deep.equal(ends);
        const sent = output ? await reader.values(output) : [];
        const handled = leavesOut ? ids.filter((id) => !id.endsWith(String(RECORDS_PER_PARTITION - 1))) : ids;
        if (output || code.includes("declare const")) expect(idsIn([said, ...sent].join("\n"))).to.deep.equal(handled);
        if (handsOn) expect(sent).to.have.length(partitions.length);
      } finally {
        await reader.close();
      }
    });
  }

  for (const snippet of programs.filter((each) => !runsElsewhere(each))) {
    it(`${snippet.place}: it ends by itself, and well`, async () => {
      const input = inputOf(snippet.code) ?? firstOf(snippet.code, /partitionsFor\("([\w-]+)"\)|topic: "([\w-]+-dlt)"/);
      if (input) await produceTo(input, PARTITIONS);
      const { code, output, errors } = await start(fileOf(snippet, kafka.brokers)).ended;
      expect(code, `${output}${errors}`).to.equal(0);
      expect(errors).to.equal("");
    });
  }
});
