import { z } from "zod";
import { KafkaConnectorError } from "../errors.js";
import type { ClientProperties } from "./port.js";

/** Where a broker is. Credentials in it librdkafka would repeat, in its log and in its errors. */
export const addressSchema: z.ZodType<string> = z
  .string()
  .min(1)
  .refine((text) => !text.includes("@"), "host:port only: user and password belong in security.sasl");

/** The same for properties that say where the brokers are. */
export const checkAddresses = (properties: ClientProperties, call: string): void => {
  const wrong = ["bootstrap.servers", "metadata.broker.list"].find((key) => String(properties[key]).includes("@"));
  if (wrong === undefined) return;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${call}: the property ${wrong} takes host:port only. Give kafka.brokers instead, and user and password as kafka.security.sasl.`,
  );
};
