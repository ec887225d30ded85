import {
  type CheckDeliveryOptions,
  checkDelivery,
  DeliveryCheckError,
  type DeliveryPipeline,
} from "@millrace/kafka-testkit";
import { expect } from "chai";

/** The error that `checkDelivery` finds; fails where it finds none. */
export const caught = async (
  pipeline: DeliveryPipeline,
  options: Partial<CheckDeliveryOptions> = {},
): Promise<DeliveryCheckError> => {
  const outcome = await checkDelivery(pipeline, { guarantee: "at-least-once", ...options }).catch(
    (error: unknown) => error,
  );
  if (outcome instanceof DeliveryCheckError) return outcome;
  if (outcome instanceof Error) throw outcome;
  return expect.fail(`nothing was found: ${String(outcome)}`);
};
