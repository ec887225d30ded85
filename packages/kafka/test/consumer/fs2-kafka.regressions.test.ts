import {
  committerSink,
  DrainingControl,
  type FollowedSettings,
  partitionedSourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";
import { Rig } from "../support/regression-rig.js";

describe("what fs2-kafka read twice", () => {
  let rig: Rig;
  /** Which streams have ended. */
  let ended: number[];
  beforeEach(() => {
    rig = new Rig();
    ended = [];
  });
  afterEach(() => rig.kafka.verify());

  /** A stream for each assignment of a partition; they are numbered. */
  const partitioned = (seen: string[], settings: Partial<FollowedSettings<string, string>> = {}) => {
    let streams = 0;
    return partitionedSourceWithOffsetContext({
      kafka: rig.kafka.settings,
      topics: ["t"],
      value: string(),
      ...settings,
    })
      .mapAsyncUnordered(10, ({ source }) => {
        const stream = ++streams;
        return source
          .mapAsync(1, ({ offset }) => {
            seen.push(`${stream}: ${offset}`);
            return rig.gate.pass(`${stream}@${offset}`);
          })
          .toMat(committerSink({ maxIntervalMs: 1 }), (_, done) => done)
          .run()
          .finally(() => ended.push(stream));
      })
      .toMat(Sink.ignore, DrainingControl.from)
      .run();
  };

  it("fs2 #1200: the stream of an assignment that has ended is given nothing more, and ends, while that of the next one reads on", () =>
    assertAllClosed(async () => {
      const seen: string[] = [];
      const control = partitioned(seen, { maxInFlight: 1, revokeTimeoutMs: 1 });
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 5));
      await rig.started("1@0");
      await rig.kafka.client.revoke(p0);
      rig.renewGate();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 2));
      await rig.started("2@0");
      rig.openEarlier();
      await until(() => ended.includes(1), "the first stream to end");
      expect(rig.positions()).to.deep.equal([]);
      rig.gate.open("2@0");
      await rig.started("2@1");
      rig.gate.open("2@1");
      await rig.committed(2);
      await control.drainAndShutdown();
      expect(seen).to.deep.equal(["1: 0", "2: 0", "2: 1"]);
    }));
});
