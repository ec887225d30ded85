import { expect } from "chai";
import { startInDocker, toEnvironment, whyNoDocker } from "../src/local/docker.js";

describe("Kafka in a container", function () {
  this.timeout(240_000);

  it("is refused for three brokers", async () => {
    expect(await whyNoDocker(3)).to.contain("3 are wanted");
  });

  it("is refused with a reason where no engine answers, and runs where one does", async () => {
    const reason = await whyNoDocker(1);
    if (reason !== undefined) return void expect(reason).to.match(/^No Docker engine \(.+\)\. Start one/);
    const cluster = await startInDocker({ brokers: 1, properties: {}, logLevel: "WARN", log: () => undefined });
    try {
      expect(cluster.brokers).to.match(/:\d+$/);
    } finally {
      await cluster.stop();
    }
  });

  it("is refused by the names of the packages that it needs, where they are not installed", async () => {
    const missing = Object.assign(new Error("Cannot find package 'testcontainers'"), { code: "ERR_MODULE_NOT_FOUND" });
    expect(await whyNoDocker(1, () => Promise.reject(missing))).to.match(/^Install testcontainers and @testcontainers/);
  });

  it("spells a property as the image reads it", () => {
    expect(toEnvironment({ "num.partitions": "4", "a_b-c.d": "x" })).to.deep.equal({
      KAFKA_NUM_PARTITIONS: "4",
      KAFKA_A__B___C_D: "x",
    });
  });
});
