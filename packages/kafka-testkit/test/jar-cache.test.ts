import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ensureJars, jarSource, whyNoJars, type JarSource } from "../src/local/jar-cache.js";
import { KAFKA_JARS, KAFKA_VERSION, type KafkaJar } from "../src/local/kafka-jars.js";

function jar(path: string, content: string): KafkaJar {
  return { path, sha256: createHash("sha256").update(content).digest("hex") };
}

describe("the cache of Kafka's jars", () => {
  const files = new Map<string, string>();
  const requests: string[] = [];
  const lines: string[] = [];
  let server: Server;
  let source: JarSource;

  beforeEach(async () => {
    files.clear();
    requests.length = 0;
    lines.length = 0;
    server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      const content = files.get(request.url ?? "");
      response.writeHead(content === undefined ? 404 : 200).end(content);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    source = { directory: await mkdtemp(join(tmpdir(), "millrace-jars-")), repository: `http://127.0.0.1:${port}` };
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await rm(source.directory, { recursive: true, force: true });
  });

  const ensure = (...jars: readonly KafkaJar[]): Promise<readonly string[]> =>
    ensureJars(source, jars, (line) => void lines.push(line));
  const refusal = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

  it("refuses a file with another checksum, and keeps nothing of it", async () => {
    files.set("/g/a.jar", "tampered");
    const error = await refusal(ensure(jar("g/a.jar", "a")));
    expect(error).to.include({ code: "CHECKSUM_MISMATCH" });
    expect(String(error)).to.contain("/g/a.jar").and.contain("MILLRACE_MAVEN_REPOSITORY");
    expect(await readdir(source.directory)).to.deep.equal([]);
  });

  it("says what to do when the repository lacks a file", async () => {
    const error = await refusal(ensure(jar("g/a.jar", "a")));
    expect(error).to.include({ code: "DOWNLOAD_FAILED" });
    expect(String(error)).to.contain("answers 404").and.contain("KAFKA_HOME");
  });

  it("says what to do when the repository does not answer", async () => {
    server.close();
    const error = await refusal(ensure(jar("g/a.jar", "a")));
    expect(error).to.include({ code: "DOWNLOAD_FAILED" });
    expect(await whyNoJars(source, [jar("g/a.jar", "a")])).to.contain("does not answer");
  });

  it("says what to do when the cache cannot be written", async () => {
    await writeFile(join(source.directory, "file"), "");
    const blocked = { ...source, directory: join(source.directory, "file", "below") };
    const error = await refusal(ensureJars(blocked, [jar("g/a.jar", "a")], () => undefined));
    expect(error).to.include({ code: "DOWNLOAD_FAILED" });
    expect(String(error)).to.contain("MILLRACE_CACHE");
  });

  it("fetches again what is damaged, and only that", async () => {
    for (const name of ["a", "b"]) files.set(`/g/${name}.jar`, name);
    const jars = [jar("g/a.jar", "a"), jar("g/b.jar", "b")];
    const [first = ""] = await ensure(...jars);
    await writeFile(first, "damaged");
    requests.length = 0;
    await ensure(...jars);
    expect(requests).to.deep.equal(["GET /g/a.jar"]);
    expect(await readFile(first, "utf8")).to.equal("a");
  });

  it("fetches nothing and says nothing when all is there", async () => {
    files.set("/g/a.jar", "a");
    await ensure(jar("g/a.jar", "a"));
    expect(lines.join("\n")).to.contain("1 of 1 jars");
    lines.length = requests.length = 0;
    expect(await ensure(jar("g/a.jar", "a"))).to.deep.equal([join(source.directory, "a.jar")]);
    expect(await whyNoJars(source, [jar("g/a.jar", "a")])).to.equal(undefined);
    expect([...lines, ...requests]).to.deep.equal([]);
  });

  it("may run twice at once", async () => {
    const jars = Array.from({ length: 12 }, (_, index) => jar(`g/${index}.jar`, `content ${index}`));
    jars.forEach(({ path }, index) => files.set(`/${path}`, `content ${index}`));
    const [first, second] = await Promise.all([ensure(...jars), ensure(...jars)]);
    expect(first).to.deep.equal(second);
    expect(await readdir(source.directory)).to.have.length(12);
  });

  it("asks for one missing jar to see whether the repository answers", async () => {
    files.set("/g/a.jar", "a");
    expect(await whyNoJars(source, [jar("g/a.jar", "a")])).to.equal(undefined);
    expect(requests).to.deep.equal(["HEAD /g/a.jar"]);
  });

  it("has defaults for an empty environment, and takes both from a full one", () => {
    expect(jarSource({ MILLRACE_CACHE: "" })).to.deep.equal({
      directory: join(homedir(), ".cache", "millrace", `kafka-${KAFKA_VERSION}`),
      repository: "https://repo1.maven.org/maven2",
    });
    const env = { MILLRACE_CACHE: "/cache", MILLRACE_MAVEN_REPOSITORY: "https://example.org/maven/" };
    expect(jarSource(env).repository).to.equal("https://example.org/maven");
    expect(jarSource(env).directory).to.equal(join("/cache", `kafka-${KAFKA_VERSION}`));
  });

  it("lists each jar once, with a checksum, and the broker among them", () => {
    for (const { path, sha256 } of KAFKA_JARS) {
      expect(path).to.match(/^[\w./-]+\.jar$/);
      expect(sha256, path).to.match(/^[0-9a-f]{64}$/);
    }
    const names = KAFKA_JARS.map(({ path }) => path.split("/").at(-1));
    expect(new Set(names).size).to.equal(KAFKA_JARS.length);
    expect(names).to.include(`kafka_2.13-${KAFKA_VERSION}.jar`);
  });
});
