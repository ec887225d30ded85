import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmbeddedKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { findKafka, type KafkaSearch } from "../src/local/find-kafka.js";
import { findJava } from "../src/local/java.js";

describe("the search for a real Kafka", function () {
  this.timeout(20_000);
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "millrace-find-"));
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** A JDK's directory whose `java` is a script that prints this version. */
  async function fakeJdk(version: string): Promise<string> {
    const home = join(directory, `jdk-${version}`);
    await mkdir(join(home, "bin"), { recursive: true });
    const script = join(home, "bin", "java");
    await writeFile(script, `#!/bin/sh\necho 'openjdk version "${version}" 2025-04-15' >&2\n`);
    await chmod(script, 0o755);
    return home;
  }

  const find = (kinds: readonly ("existing" | "jvm")[], env: NodeJS.ProcessEnv): Promise<KafkaSearch> =>
    findKafka({ brokers: 1, kinds }, { PATH: directory, MILLRACE_CACHE: directory, ...env });

  it("refuses a JVM that is too old, and says which it was", async () => {
    for (const version of ["1.8.0_402", "11.0.22", "16"]) {
      const found = await findJava({ JAVA_HOME: await fakeJdk(version), PATH: directory });
      expect(found.command, version).to.equal(undefined);
      expect(found).to.have.property("reason").that.contains(`is version ${version}`);
    }
  });

  it("takes a JVM of version 17 or newer, that of JAVA_HOME first", async () => {
    const [older, newer] = [await fakeJdk("17"), await fakeJdk("25-ea")];
    const env = { JAVA_HOME: older, PATH: join(newer, "bin") };
    expect(await findJava(env)).to.include({ version: "17" });
    expect(await findJava({ ...env, JAVA_HOME: "/nowhere" })).to.deep.equal({ command: "java", version: "25-ea" });
  });

  it("refuses a KAFKA_HOME without a broker in it", async () => {
    const { found, reasons } = await find(["jvm"], { JAVA_HOME: await fakeJdk("17"), KAFKA_HOME: directory });
    expect(found).to.equal(undefined);
    expect(reasons.join()).to.contain(`KAFKA_HOME is ${directory}`);
  });

  it("takes a KAFKA_HOME with a broker in it, and asks no repository", async () => {
    await mkdir(join(directory, "libs"));
    await writeFile(join(directory, "libs", "kafka_2.13-4.0.0.jar"), "");
    const env = {
      JAVA_HOME: await fakeJdk("17"),
      KAFKA_HOME: directory,
      MILLRACE_MAVEN_REPOSITORY: "http://127.0.0.1:1",
    };
    expect((await find(["jvm"], env)).found).to.include({ kind: "jvm" });
  });

  it("refuses a JVM without jars where the repository does not answer", async () => {
    const env = { JAVA_HOME: await fakeJdk("17"), MILLRACE_MAVEN_REPOSITORY: "http://127.0.0.1:1" };
    expect((await find(["jvm"], env)).reasons.join())
      .to.contain("127.0.0.1:1")
      .and.contain("MILLRACE_MAVEN_REPOSITORY");
  });

  it("goes on to the next kind where no broker answers, and keeps the reason", async () => {
    const { found, reasons } = await find(["existing", "jvm"], { KAFKA_BOOTSTRAP_SERVERS: "127.0.0.1:1" });
    expect(found).to.equal(undefined);
    expect(reasons.map((reason) => reason.split(":")[0])).to.deep.equal(["existing", "jvm"]);
    expect(reasons[0]).to.contain("127.0.0.1:1, where no broker answers");
  });

  it("refuses a running cluster with too few brokers", async () => {
    await using kafka = await EmbeddedKafka.start({ brokers: 2 });
    const env = { KAFKA_BOOTSTRAP_SERVERS: kafka.brokers };
    const { reasons } = await findKafka({ brokers: 3, kinds: ["existing"] }, env);
    expect(reasons.join()).to.contain("with 2 brokers where 3 are wanted");
    expect((await find(["jvm", "existing"], env)).found).to.include({ kind: "existing" });
  });
});
