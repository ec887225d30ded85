import { expect } from "chai";
import { KafkaConnectorError } from "@millrace/kafka";
import type { NativeConsumer, NativeTopicPartition } from "../../../src/client/rdkafka/native.js";
import { type CallNative, offsetsAt, seekAll } from "../../../src/client/rdkafka/positions.js";
import { Rebalancer } from "../../../src/client/rdkafka/rebalancer.js";
import { FakeConsumer } from "./support/fake-native.js";

const p0 = { topic: "t", partition: 0 } as const;
const p1 = { topic: "t", partition: 1 } as const;

/** Calls as the driver does, and rejects with the code of what the client answers. */
const call: CallNative = (what, _timeoutMs, start) =>
  new Promise((resolve, reject) => {
    start((error, result) => {
      if (error === undefined || error === null) resolve(result);
      else reject(new KafkaConnectorError("CLIENT_FAILED", what, { clientCode: (error as { code: number }).code }));
    });
  });

type Times = (asked: readonly NativeTopicPartition[]) => unknown;
const times = (answer: Times): NativeConsumer =>
  ({
    offsetsForTimes: (
      asked: readonly NativeTopicPartition[],
      _ms: number,
      done: (error: unknown, result?: unknown) => void,
    ) => {
      const answered = answer(asked);
      if (Array.isArray(answered)) done(null, answered);
      else done(answered);
    },
  }) as unknown as NativeConsumer;
const rejected = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("positions of the driver", () => {
  it("fail to be sought when one partition fails", async () => {
    const native = {
      seek: ({ partition }: NativeTopicPartition, _ms: number, done: (error?: object) => void) =>
        done(partition === 1 ? { code: -190 } : undefined),
    } as unknown as NativeConsumer;
    const error = await rejected(
      seekAll(
        native,
        call,
        [
          { ...p0, offset: 1 },
          { ...p1, offset: 2 },
        ],
        100,
      ),
    );
    expect(error).to.include({ clientCode: -190, message: "seek t 1 to 2" });
  });

  it("are sought one by one, with the time-out without which the client would report nothing", async () => {
    const sought: unknown[] = [];
    const native = {
      seek: (to: NativeTopicPartition, timeoutMs: number, done: () => void) => {
        sought.push({ to, timeoutMs });
        done();
      },
    } as unknown as NativeConsumer;
    await seekAll(native, call, [{ ...p1, offset: 2 }], 100);
    expect(sought).to.deep.equal([{ to: { ...p1, offset: 2 }, timeoutMs: 100 }]);
  });

  it("are not found by time when the broker fails", async () => {
    const asking = offsetsAt(
      times(() => ({ code: -185 })),
      call,
      [{ ...p0, timestamp: 9 }],
      100,
    );
    expect(await rejected(asking)).to.include({ clientCode: -185 });
  });

  it("are found by time, less those without such a record", async () => {
    const native = times((asked) => {
      expect(asked).to.deep.equal([
        { ...p0, offset: 9 },
        { ...p1, offset: 9 },
      ]);
      return [
        { ...p0, offset: 4 },
        { ...p1, offset: -1 },
      ];
    });
    const asked = [p0, p1].map((each) => ({ ...each, timestamp: 9 }));
    expect(await offsetsAt(native, call, asked, 100)).to.deep.equal([{ ...p0, offset: 4 }]);
  });

  it("are found by time beside a partition that does not exist, which fails all of them together", async () => {
    const native = times((asked) =>
      asked.some(({ partition }) => partition === 1) ? { code: -190 } : [{ ...p0, offset: 4 }],
    );
    const asked = [p0, p1].map((each) => ({ ...each, timestamp: 9 }));
    expect(await offsetsAt(native, call, asked, 100)).to.deep.equal([{ ...p0, offset: 4 }]);
  });

  it("go with an assignment where the listener gives them", async () => {
    const native = new FakeConsumer();
    const rebalancer = new Rebalancer(() => native as unknown as NativeConsumer, {
      onAssign: () => undefined,
      startOf: ({ partition }) => (partition === 1 ? 300 : undefined),
      onRevoke: () => undefined,
      onError: () => undefined,
    });
    rebalancer.onRebalance({ code: -175 }, [p0, p1]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(native.calls).to.deep.equal([["assign", [p0, { ...p1, offset: 300 }]]]);
  });
});
