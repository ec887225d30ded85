import { expect } from "chai";
import type { NativeConsumer } from "../../../src/client/rdkafka/native.js";
import { Rebalancer } from "../../../src/client/rdkafka/rebalancer.js";
import type { ConsumerListener } from "../../../src/client/port.js";
import { FakeConsumer } from "./support/fake-native.js";

const ASSIGN = { code: -175 };
const REVOKE = { code: -174 };
const PARTITIONS = [{ topic: "t", partition: 1, offset: 7 }];

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(listener: Partial<ConsumerListener> = {}) {
  const native = new FakeConsumer();
  const errors: Error[] = [];
  const rebalancer = new Rebalancer(() => native as unknown as NativeConsumer, {
    onAssign: () => undefined,
    onRevoke: () => undefined,
    onError: (error) => void errors.push(error),
    ...listener,
  });
  return { native, errors, rebalancer };
}

describe("Rebalancer", () => {
  for (const [name, call] of [
    ["onAssign", "assign"],
    ["onRevoke", "unassign"],
  ] as const) {
    it(`answers with ${call} and reports the error when ${name} throws or rejects`, async () => {
      for (const fails of [
        () => Promise.reject(new Error("boom")),
        () => {
          throw new Error("boom");
        },
      ]) {
        const { native, errors, rebalancer } = setUp({ [name]: fails });
        rebalancer.onRebalance(name === "onAssign" ? ASSIGN : REVOKE, PARTITIONS);
        await turn();
        expect(native.named).to.deep.equal([call]);
        expect(errors).to.have.length(1);
        expect(errors[0]).to.include({ code: "REBALANCE_FAILED" });
        expect((errors[0]?.cause as Error).message).to.equal("boom");
      }
    });
  }

  it("refuses to assign again while a rebalance is unanswered, which that would answer", async () => {
    let end = (): void => undefined;
    const { native, rebalancer } = setUp({ onRevoke: () => new Promise<void>((resolve) => (end = resolve)) });
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    rebalancer.reassign(PARTITIONS);
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    expect(() => rebalancer.reassign(PARTITIONS)).to.throw("A rebalance is under way");
    end();
    await turn();
    expect(native.named).to.deep.equal(["assign", "assign", "unassign"]);
  });

  for (const partitions of [[], [{ topic: "t", partition: 2 }]]) {
    it(`reports nothing of ${partitions.length} partitions that are assigned while the client leaves`, async () => {
      const told: string[] = [];
      const tell = (what: string) => (given: readonly { readonly partition: number }[]) =>
        void told.push([what, ...given.map(({ partition }) => partition)].join(" "));
      const { native, rebalancer } = setUp({ onAssign: tell("assign"), onRevoke: tell("revoke") });
      rebalancer.onRebalance(ASSIGN, PARTITIONS);
      await turn();
      rebalancer.leave();
      rebalancer.onRebalance(REVOKE, PARTITIONS);
      await turn();
      rebalancer.onRebalance(ASSIGN, partitions);
      rebalancer.onRebalance(REVOKE, partitions);
      await turn();
      expect(native.named).to.deep.equal(["assign", "unassign", "assign", "unassign"]);
      expect(told).to.deep.equal(["assign 1", "revoke 1"]);
    });
  }

  it("reports nothing when a client that leaves refuses to assign, and gives up", async () => {
    const { native, errors, rebalancer } = setUp();
    rebalancer.leave();
    native.assign = () => {
      throw Object.assign(new Error("Local: Erroneous state"), { code: -172 });
    };
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    expect(errors).to.deep.equal([]);
    expect(native.named).to.deep.equal(["unassign"]);
    expect(rebalancer.unanswered).to.equal(0);
  });

  it("revokes what it had reported as assigned, and not what came while the client left", async () => {
    const revoked: number[] = [];
    const { rebalancer } = setUp({
      onRevoke: (given) => void revoked.push(...given.map(({ partition }) => partition)),
    });
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    rebalancer.leave();
    rebalancer.onRebalance(ASSIGN, [{ topic: "t", partition: 2 }]);
    rebalancer.onRebalance(REVOKE, [...PARTITIONS, { topic: "t", partition: 2 }]);
    await turn();
    expect(revoked).to.deep.equal([1]);
  });

  it("reports a loss that only the binding knows of, and a revocation after it as such", async () => {
    const told: string[] = [];
    const { native, rebalancer } = setUp({
      onRevoke: () => void told.push("revoked"),
      onLost: () => void told.push("lost"),
    });
    for (const lost of [true, false]) {
      Object.assign(native, { assignmentLost: () => lost });
      rebalancer.onRebalance(ASSIGN, PARTITIONS);
      await turn();
      rebalancer.onRebalance(REVOKE, PARTITIONS);
      await turn();
    }
    expect(told).to.deep.equal(["lost", "revoked"]);
  });

  it("gives partitions up when the client refuses to assign, so that closing never hangs", async () => {
    const { native, errors, rebalancer } = setUp();
    native.throws.set("assign", new Error("KafkaConsumer is disconnected"));
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    expect(native.named).to.deep.equal(["assign", "unassign"]);
    expect(errors[0]).to.include({ code: "REBALANCE_FAILED" });
  });

  it("wraps the plain object that incrementalUnassign throws, and gives everything up", async () => {
    const { native, errors, rebalancer } = setUp();
    native.protocol = "COOPERATIVE";
    native.throws.set("incrementalUnassign", { message: "Local: Erroneous state", code: -172 });
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    await turn();
    expect(native.named).to.deep.equal(["incrementalAssign", "incrementalUnassign", "unassign"]);
    expect(errors[0]).to.be.instanceOf(Error).and.to.include({ code: "REBALANCE_FAILED", clientCode: -172 });
  });

  it("reports a rebalance error and gives everything up", async () => {
    const { native, errors, rebalancer } = setUp();
    rebalancer.onRebalance({ code: -142 }, PARTITIONS);
    await turn();
    expect(native.named).to.deep.equal(["unassign"]);
    expect(errors[0]).to.include({ clientCode: -142 });
  });

  it("answers for a listener that never ends when asked to abandon it, once", async () => {
    let end = (): void => undefined;
    const { native, rebalancer } = setUp({
      onRevoke: () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    });
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    await turn();
    expect(rebalancer.unanswered).to.equal(1);
    expect(native.named).to.deep.equal([]);
    rebalancer.abandon();
    expect(rebalancer.unanswered).to.equal(0);
    end();
    await turn();
    expect(native.named).to.deep.equal(["unassign"]);
  });

  it("waits for the listener before it answers, and gives it topics and partitions only", async () => {
    let end = (): void => undefined;
    const seen: unknown[] = [];
    const { native, rebalancer } = setUp({
      onAssign: (partitions) => {
        seen.push(...partitions);
        return new Promise<void>((resolve) => {
          end = resolve;
        });
      },
    });
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    expect(native.named).to.deep.equal([]);
    end();
    await turn();
    expect(native.calls).to.deep.equal([["assign", PARTITIONS]]);
    expect(seen).to.deep.equal([{ topic: "t", partition: 1 }]);
  });

  it("remembers the cooperative protocol, which reads NONE while closing", async () => {
    const { native, rebalancer } = setUp();
    native.protocol = "COOPERATIVE";
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    native.protocol = "NONE";
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    await turn();
    expect(native.calls).to.deep.equal([
      ["incrementalAssign", PARTITIONS],
      ["incrementalUnassign", PARTITIONS],
    ]);
  });

  it("assigns and unassigns everything under the eager protocol", async () => {
    const { native, rebalancer } = setUp();
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    await turn();
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    await turn();
    expect(native.named).to.deep.equal(["assign", "unassign"]);
  });

  it("reports to a listener that partitions are lost, where an error of the client said so", async () => {
    const told: string[] = [];
    const handlers = { onRevoke: () => void told.push("revoked"), onLost: () => void told.push("lost") };
    const { rebalancer, native } = setUp(handlers);
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    rebalancer.markLost();
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    rebalancer.onRebalance(ASSIGN, PARTITIONS);
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    await turn();
    expect(told).to.deep.equal(["revoked", "lost", "revoked"]);
    expect(native.named).to.deep.equal(["unassign", "unassign", "assign", "unassign"]);
  });

  it("reports to a listener without onLost that they are revoked", async () => {
    const told: string[] = [];
    const { rebalancer } = setUp({ onRevoke: () => void told.push("revoked") });
    rebalancer.markLost();
    rebalancer.onRebalance(REVOKE, PARTITIONS);
    await turn();
    expect(told).to.deep.equal(["revoked"]);
  });
});
