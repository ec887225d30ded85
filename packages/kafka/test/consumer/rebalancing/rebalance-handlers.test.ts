import { committableSource, type ConsumerSettings, plainSource } from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1 } from "../../support/pipelines.js";
import { errorOf, morePolls, rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

describe("a rebalance handler", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  const run = (settings: Partial<ConsumerSettings>) =>
    plainSource({ kafka: kafka.settings, topics: ["t"], ...settings })
      .toMat(Sink.ignore, Keep.both)
      .run();

  for (const name of ["onAssign", "onRevoke", "onLost"] as const) {
    it(`fails the stream when ${name} fails`, () =>
      assertAllClosed(async () => {
        const failure = new Error("handler");
        const [, done] = run({ [name]: () => Promise.reject(failure) });
        const failed = rejectionOf(done);
        await kafka.client.assign(p0);
        if (name === "onRevoke") await kafka.client.revoke(p0);
        if (name === "onLost") kafka.client.lose(p0);
        expect(await failed).to.equal(failure);
      }));
  }

  it("that throws on stop is logged, and the consumer closes all the same", () =>
    assertAllClosed(async () => {
      const logged: unknown[] = [];
      const quiet = (): void => undefined;
      const logger = {
        debug: quiet,
        info: quiet,
        warn: quiet,
        error: (text: string, fields?: object) => void logged.push({ text, ...fields }),
      };
      const failure = new Error("handler");
      const [control] = run({
        kafka: { ...kafka.settings, logger },
        onStop: () => {
          throw failure;
        },
      });
      await kafka.client.assign(p0);
      await control.shutdown();
      expect(logged).to.have.length(1);
      expect(logged[0]).to.include({ error: failure });
    }));

  it("is waited for up to its deadline, and no longer", () =>
    assertAllClosed(async () => {
      const never = new Latch();
      const [control] = run({ handlerTimeoutMs: 20, onRevoke: () => never.opened });
      await kafka.client.assign(p0);
      await kafka.client.revoke(p0);
      await control.shutdown();
    }));

  it("is refused beside an assignment, which is never rebalanced", () => {
    const settings = { kafka: kafka.settings, assignment: [p0], onAssign: () => undefined };
    expect(errorOf(() => plainSource(settings))).to.include({ code: "INVALID_SETTINGS" });
  });

  it("of a revocation is called when its records are finished and committed, and the client waits for it", () =>
    assertAllClosed(async () => {
      const steps: string[] = [];
      const revoked = new Latch();
      const [control] = committableSource({
        kafka: kafka.settings,
        topics: ["t"],
        onRevoke: async (partitions) => {
          steps.push(`revoke ${partitions.map(({ partition }) => partition).join()}`);
          await revoked.opened;
        },
      })
        .mapAsync(1, async ({ offset }) => {
          await offset.owner.commit([{ ...p0, position: offset.offset + 1, epoch: 1, metadata: undefined }]);
          steps.push(`committed ${offset.offset}`);
        })
        .toMat(Sink.ignore, Keep.both)
        .run();
      await kafka.client.assign(p0, p1);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => kafka.client.commits.length === 1, "a commit");
      let given = false;
      const revoking = kafka.client.revoke(p0).then(() => {
        given = true;
      });
      await until(() => steps.length === 2, "the handler");
      expect(steps).to.deep.equal(["committed 0", "revoke 0"]);
      await morePolls(kafka.client, 2);
      expect(given).to.equal(false);
      revoked.open();
      await revoking;
      await control.shutdown();
    }));

  it("R-10 R-11 hears of assignments on start, of the stop at shutdown, and then of the last revocation", () =>
    assertAllClosed(async () => {
      const steps: string[] = [];
      const note = (name: string) => (partitions: readonly { readonly partition: number }[]) => {
        steps.push(`${name} ${partitions.map(({ partition }) => partition).join()}`);
      };
      const [control] = run({
        onAssign: note("assign"),
        onRevoke: note("revoke"),
        onLost: note("lost"),
        onStop: note("stop"),
      });
      await kafka.client.assign(p0, p1);
      kafka.client.lose(p1);
      await until(() => steps.length === 2, "the loss");
      await control.shutdown();
      expect(steps).to.deep.equal(["assign 0,1", "lost 1", "stop 0", "revoke 0"]);
    }));
});
