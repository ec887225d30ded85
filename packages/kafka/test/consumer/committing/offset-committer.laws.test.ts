import { KafkaConnectorError } from "@millrace/kafka";
import { systemClock } from "@millrace/streams";
import { expect } from "chai";
import fc from "fast-check";
import type { TopicPartitionOffset } from "../../../src/client/port.js";
import { OffsetCommitter } from "../../../src/consumer/committing/offset-committer.js";
import { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { AuditTrail } from "../../../src/ledger/auditor.js";
import { unheard } from "../../support/unheard.js";

type Step =
  | { readonly do: "commit"; readonly partition: number; readonly position: number; readonly old: boolean }
  | { readonly do: "answer"; readonly with: "ok" | "refused" }
  | { readonly do: "rebalance"; readonly partition: number }
  | { readonly do: "turn" };

const steps = fc.array(
  fc.oneof<fc.WeightedArbitrary<Step>[]>(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("commit"),
        partition: fc.nat(2),
        position: fc.nat(30),
        old: fc.boolean(),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("answer"), with: fc.constantFrom("ok", "refused") }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("rebalance"), partition: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("turn") }) },
  ),
  { minLength: 10, maxLength: 60 },
);

const delivered = (partition: number, epoch: number): OwnedPartition => {
  const owned = new OwnedPartition({ topic: "t", partition }, epoch, new AuditTrail("t", partition, epoch), unheard);
  owned.commits();
  for (let offset = 0; offset < 40; offset++) owned.open(offset, 0);
  return owned;
};

/** Microtasks only: a run of many steps must not wait for timers. */
const turn = async (): Promise<void> => {
  for (let tick = 0; tick < 12; tick++) await Promise.resolve();
};

interface Request {
  /** What it commits, by partition and epoch at the time it was sent. */
  readonly sent: ReadonlyMap<string, number>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

describe("OffsetCommitter, whatever is asked, refused, delayed and revoked", () => {
  it("sends one request at a time, no position below an earlier one of its epoch, none of a lost epoch, none not asked for", () =>
    fc.assert(
      fc.asyncProperty(steps, async (all) => {
        let partitions = [0, 1, 2].map((partition) => delivered(partition, 1));
        const old = [...partitions];
        const highest = new Map<string, number>();
        const asked = new Map<string, number>();
        const acknowledged = new Map<string, number>();
        const settled: { readonly key: string; readonly position: number }[] = [];
        let open: Request | undefined;
        const keyOf = (partition: number): string => `${partition}/${partitions[partition]!.epoch}`;
        const committer = new OffsetCommitter({
          commitTimeoutMs: 60_000,
          clock: systemClock,
          partitions: () => partitions,
          auditor: { check: () => undefined, committed: () => undefined },
          client: {
            commit: (positions: readonly TopicPartitionOffset[]) => {
              expect(open, "one request at a time").to.equal(undefined);
              const sent = new Map<string, number>();
              for (const { partition, offset } of positions) {
                // A request names no epoch: it counts for the present one, so it must have been asked for in it.
                const key = keyOf(partition);
                expect(asked.get(key) ?? -1, "asked for in this epoch").to.be.at.least(offset);
                expect(offset, "I7").to.be.at.least(highest.get(key) ?? 0);
                highest.set(key, offset);
                sent.set(key, offset);
              }
              return new Promise((resolve, reject) => {
                open = { sent, resolve, reject };
              });
            },
          },
        });
        const answer = (result: "ok" | "refused"): void => {
          const request = open;
          open = undefined;
          if (!request) return;
          if (result === "refused") return request.reject(new KafkaConnectorError("COMMIT_FAILED", "refused"));
          for (const [key, offset] of request.sent) acknowledged.set(key, offset);
          request.resolve();
        };
        for (const step of all) {
          if (step.do === "turn") await turn();
          else if (step.do === "answer") answer(step.with);
          else if (step.do === "rebalance") {
            const lost = partitions[step.partition]!;
            lost.fence();
            old[step.partition] = lost;
            partitions = partitions.map((each) => (each === lost ? delivered(each.partition, each.epoch + 1) : each));
          } else {
            const owned = (step.old ? old : partitions)[step.partition]!;
            const key = `${step.partition}/${owned.epoch}`;
            asked.set(key, Math.max(asked.get(key) ?? 0, step.position));
            owned.endThrough(step.position - 1, undefined);
            committer.commit().then(
              () => settled.push({ key, position: step.position }),
              () => undefined,
            );
          }
        }
        for (let round = 0; round < 100 && committer.busy; round++) {
          await turn();
          answer("ok");
        }
        await turn();
        expect(committer.busy, "ends").to.equal(false);
        // Whatever was said to be committed is, unless its partition was lost.
        for (const { key, position } of settled) {
          const [partition, epoch] = key.split("/").map(Number) as [number, number];
          if (partitions[partition]!.epoch === epoch) expect(acknowledged.get(key) ?? 0, key).to.be.at.least(position);
        }
      }),
      { numRuns: 300 },
    )).timeout(10_000);
});
