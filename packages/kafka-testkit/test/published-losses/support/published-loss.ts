import {
  checkDelivery,
  type CheckDeliveryOptions,
  DeliveryCheckError,
  type DeliveryFault,
  type DeliveryPipeline,
} from "@millrace/kafka-testkit";
import { expect } from "chai";
import { type Hands, handMade, type Rules } from "./hand-made.js";
import { millrace } from "./millrace.js";

/** Some 40 kill points, and as many drawn histories. */
const TWIN_RUNS = 80;

export interface PublishedLoss {
  /** A consumer with the defect. */
  readonly copy: (hands: Hands) => Rules;
  /** What `checkDelivery` says of it: `STUCK` in place of `LOST` while no later commit has sealed the loss. */
  readonly found: readonly DeliveryFault[];
  readonly conditions?: Omit<CheckDeliveryOptions, "guarantee">;
  /** Millrace's own part in its place; default: work in any order on the followed surface. */
  readonly twin?: DeliveryPipeline;
}

const isCaught = async ({ copy, found, conditions }: PublishedLoss): Promise<void> => {
  const outcome = await checkDelivery(handMade(copy), { guarantee: "at-least-once", ...conditions }).catch(
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) return expect.fail(`nothing was found: ${String(outcome)}`);
  if (!(outcome instanceof DeliveryCheckError)) throw outcome;
  expect(found, outcome.message).to.include(outcome.code);
};

/** That `checkDelivery` finds the defect, and finds nothing in Millrace's part under the same conditions. */
export const publishedLoss = (name: string, loss: PublishedLoss): void => {
  describe(name, function () {
    this.timeout(120_000);

    it("is found in a copy", () => isCaught(loss));

    it("is not in Millrace's part", async () => {
      const options = { guarantee: "at-least-once", ...loss.conditions, runs: TWIN_RUNS } as const;
      const report = await checkDelivery(loss.twin ?? millrace(), options);
      expect(report.kills).to.be.greaterThan(0);
    });
  });
};
