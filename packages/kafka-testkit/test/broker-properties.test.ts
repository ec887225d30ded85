import { expect } from "chai";
import { serverProperties } from "../src/local/broker-properties.js";

describe("a broker's properties", () => {
  const ports = [1, 2, 3].map((id) => ({ broker: 9000 + id, controller: 9100 + id }));

  it("refuse a node that is not in the cluster", () => {
    expect(() => serverProperties(4, ports, "/data", {})).to.throw(RangeError);
  });

  it("let the caller replace any but those that hold the cluster together", () => {
    const text = serverProperties(1, ports, "/data", { "num.partitions": "12", "node.id": "7" });
    expect(text)
      .to.match(/^num\.partitions=12$/m)
      .and.match(/^node\.id=1$/m);
    expect(text.match(/^num\.partitions=/gm)).to.have.length(1);
  });

  it("escape what would end or change a value", () => {
    expect(serverProperties(1, ports, "C:\\data", { a: "b\nlisteners=x" }))
      .to.contain("log.dirs=C:\\\\data\n")
      .and.contain("a=b\\nlisteners=x\n");
  });

  it("keep the listeners of the cluster beside those of the caller", () => {
    const more = { listeners: "SECURE://127.0.0.1:9300", "advertised.listeners": "SECURE://localhost:9300" };
    const text = serverProperties(1, ports, "/data", more);
    expect(text)
      .to.contain("\nlisteners=PLAINTEXT://127.0.0.1:9001,CONTROLLER://127.0.0.1:9101,SECURE://127.0.0.1:9300\n")
      .and.contain("\nadvertised.listeners=PLAINTEXT://127.0.0.1:9001,SECURE://localhost:9300\n");
  });

  it("name all nodes as voters and only the own listeners", () => {
    const text = serverProperties(2, ports, "/data", {});
    expect(text).to.contain("controller.quorum.voters=1@127.0.0.1:9101,2@127.0.0.1:9102,3@127.0.0.1:9103\n");
    expect(text).to.contain("listeners=PLAINTEXT://127.0.0.1:9002,CONTROLLER://127.0.0.1:9102\n");
    expect(text).to.contain("transaction.state.log.min.isr=2\n");
  });
});
