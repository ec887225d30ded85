import { expect } from "chai";
import { connectClient } from "../../../src/client/rdkafka/client-life.js";
import { rejectionOf } from "./support/errors.js";
import { FakeConsumer } from "./support/fake-native.js";

describe("connecting a client", () => {
  const BAD = "ssl://b:1/bootstrap: SSL handshake failed: certificate verify failed";

  it("reports the last failure that the client has logged, and no other line", async () => {
    const native = new FakeConsumer();
    const troubles: string[] = [];
    native.onConnect = () => {
      native.emit("event.log", { fac: "FAIL", message: "[thrd:ssl://b:1/bootstrap]: b: Connection refused" });
      native.emit("event.log", { fac: "FAIL", message: `[thrd:ssl://b:1/bootstrap]: ${BAD}` });
      native.emit("event.log", { fac: "CONFWARN", message: "a property without effect" });
    };
    const { message } = await rejectionOf(
      connectClient(
        native.create({}, {}, () => undefined),
        "consumer",
        "b:1",
        5,
        { onLate: () => undefined, onTrouble: (error) => void troubles.push(error.message) },
      ),
    );
    expect(message).to.match(/^The consumer could not connect to b:1 within 5 ms: .*\. The last failure was: ssl:/);
    expect(message).to.contain(`${BAD}. Check`).and.not.contain("effect").and.not.contain("refused");
    // Of the first, at once.
    expect(troubles).to.deep.equal([
      "The consumer has not connected to b:1 yet, and tries for 5 ms: b: Connection refused.",
    ]);
  });

  it("reports no failure where nothing was logged", async () => {
    const native = new FakeConsumer();
    native.onConnect = () => undefined;
    const connecting = connectClient(
      native.create({}, {}, () => undefined),
      "consumer",
      "b:1",
      5,
      { onLate: () => undefined },
    );
    expect((await rejectionOf(connecting)).message).to.match(/the client does not answer\. Check/);
  });
});
