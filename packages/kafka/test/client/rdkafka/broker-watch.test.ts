import { expect } from "chai";
import { BrokerWatch } from "../../../src/client/rdkafka/broker-watch.js";
import { connects } from "../../../src/client/rdkafka/client-life.js";
import type { NativeConsumer } from "../../../src/client/rdkafka/native.js";
import { KafkaConnectorError } from "../../../src/errors/errors.js";
import { until } from "../../support/until.js";
import { FakeConsumer } from "./support/fake-native.js";

const error = (clientCode: number): KafkaConnectorError =>
  new KafkaConnectorError("CLIENT_FAILED", "An error.", { clientCode });

/** Answers by turns; the last one stays. */
const answers = (...values: boolean[]) => {
  let asked = 0;
  return {
    get asked() {
      return asked;
    },
    ask: () => Promise.resolve(values[Math.min(asked++, values.length - 1)] === true),
  };
};

const setUp = (reaches: ReturnType<typeof answers>, wouldReach: ReturnType<typeof answers>, patienceMs = 0) => {
  const abandoned: KafkaConnectorError[] = [];
  const watch = new BrokerWatch({
    reaches: reaches.ask,
    wouldReach: wouldReach.ask,
    onAbandoned: (reason) => void abandoned.push(reason),
    checkMs: 1,
    patienceMs,
  });
  return { watch, abandoned };
};

describe("BrokerWatch", () => {
  it("gives a client up, fatally and once, that reaches no broker though a new client would", async () => {
    const { watch, abandoned } = setUp(answers(false), answers(true));
    watch.onError(error(-187));
    await until(() => abandoned.length > 0, "a client that is given up");
    expect(abandoned[0]).to.include({ code: "CLIENT_FAILED", clientCode: -187, fatal: true });
    watch.onError(error(-187));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(abandoned).to.have.length(1);
  });

  it("waits as long as an outage lasts, and gives the client its time after it", async () => {
    const reaches = answers(false);
    const wouldReach = answers(false, false, true, false, true);
    const { watch, abandoned } = setUp(reaches, wouldReach, 20);
    watch.onError(error(-195));
    await until(() => wouldReach.asked >= 5, "five looks");
    expect(abandoned).to.deep.equal([]);
    await until(() => abandoned.length > 0, "a client that is given up");
    expect(wouldReach.asked).to.be.greaterThan(5);
  });

  it("leaves a client alone that reaches a broker again, and looks again at the next error", async () => {
    const reaches = answers(false, true);
    const wouldReach = answers(true);
    const { watch, abandoned } = setUp(reaches, wouldReach, 60_000);
    watch.onError(error(-187));
    await until(() => reaches.asked === 2, "two looks");
    watch.onError(error(-187));
    await until(() => reaches.asked === 3, "a third look");
    expect([abandoned, wouldReach.asked]).to.deep.equal([[], 1]);
    watch.stop();
  });

  it("asks nothing after errors of another kind, nor once it was stopped", async () => {
    const reaches = answers(false);
    const { watch } = setUp(reaches, answers(true));
    watch.onError(error(-188));
    watch.stop();
    watch.onError(error(-187));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(reaches.asked).to.equal(0);
  });
});

describe("connects", () => {
  it("is false where no client can be made or none connects, and closes one that does", async () => {
    const refusing = (): NativeConsumer => {
      throw new Error("refused");
    };
    expect(await connects(refusing, "consumer", 5)).to.equal(false);
    const silent = new FakeConsumer();
    silent.onConnect = () => undefined;
    expect(await connects(() => silent as unknown as NativeConsumer, "consumer", 5)).to.equal(false);
    const native = new FakeConsumer();
    expect(await connects(() => native as unknown as NativeConsumer, "consumer", 5)).to.equal(true);
    expect(native.named).to.deep.equal(["disconnect"]);
  });
});
