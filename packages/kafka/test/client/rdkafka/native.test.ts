import { expect } from "chai";
import { type Binding, bindingOf, checkLibrary, consumersOf, producersOf } from "../../../src/client/rdkafka/native.js";
import { thrownBy } from "./support/errors.js";

class Consumer {
  readonly client: object;
  constructor(client: object) {
    this.client = client;
  }
}

class Producer {
  readonly sent: unknown[][] = [];
  sendOffsetsToTransaction(...values: unknown[]): void {
    this.sent.push(values);
  }
}

const binding: Binding = {
  KafkaConsumer: Consumer,
  Producer,
  AdminClient: { create: () => ({}) },
  CODES: { ERRORS: {} },
  err2str: String,
  librdkafkaVersion: "2",
  name: "some-kafka",
  features: ["gzip"],
};

describe("a binding to librdkafka", () => {
  it("that cannot be loaded fails with INVALID_SETTINGS when the first client is made, not before", () => {
    const create = consumersOf(
      bindingOf("some-kafka", () => {
        throw new Error("Cannot find module");
      }),
    );
    const error = thrownBy(() => create({}, {}, () => undefined));
    expect(error).to.include({ code: "INVALID_SETTINGS" });
    expect(error.message).to.contain("some-kafka could not be loaded").and.to.contain("Install it");
    expect(error.cause).to.be.instanceOf(Error);
  });

  it("is refused where it runs on the library of one that was loaded before, whose classes may be laid out otherwise", () => {
    const error = thrownBy(() => checkLibrary("some-kafka", "2.12.0", "2.15.1", 2));
    expect(error).to.include({ code: "INVALID_SETTINGS" });
    expect(error.message).to.contain("some-kafka needs librdkafka 2.15.1, but shares 2.12.0");
    checkLibrary("some-kafka", "2.15.1", "2.15.1", 2);
    // Linked with the system's library on purpose.
    checkLibrary("some-kafka", "2.12.0", "2.15.1", 1);
  });

  it("is refused a consumer of another one for a transaction, where native code would crash", () => {
    const producer = producersOf(() => binding)({}, {});
    const send = (consumer: object): void =>
      void producer.sendOffsetsToTransaction([], consumer as never, 10, () => undefined);
    expect(thrownBy(() => send({})).code).to.equal("INVALID_SETTINGS");
    const own = consumersOf(() => binding)({}, {}, () => undefined);
    send(own);
    expect((producer as unknown as Producer).sent.map(([, consumer]) => consumer)).to.deep.equal([own]);
  });

  it("is asked for rebalances and commit results", () => {
    const rebalance = (): void => undefined;
    const consumer = consumersOf(() => binding)({ "group.id": "g" }, {}, rebalance) as unknown as Consumer;
    expect(consumer.client).to.deep.equal({ "group.id": "g", rebalance_cb: rebalance, offset_commit_cb: true });
  });
});
