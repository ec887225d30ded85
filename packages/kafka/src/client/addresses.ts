import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import { FROM_ENVIRONMENT } from "./settings-error.js";
import type { ClientProperties } from "./port.js";

const HIGHEST_PORT = 65_535;

/** What is wrong with the address of one broker: a host, or `host:port`. */
const wrongIn = (address: string): string | undefined => {
  if (address.includes("@")) return "host:port only: user and password belong in security.sasl";
  if (address.includes("://")) return "host:port only, without a scheme such as http:// before it";
  if (address.includes("/")) return "host:port only, without a path behind it";
  // An address of IPv6 has colons of its own, and brackets around them.
  const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(address) ?? [];
  if (!host) return "host:port is expected, such as localhost:9092";
  const isPort = port === undefined || (/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= HIGHEST_PORT);
  return isPort ? undefined : `the port is a number from 1 to ${HIGHEST_PORT}`;
};

/** What is wrong with the addresses of brokers, separated by commas. */
const wrongWith = (given: unknown): string | undefined => {
  if (given === undefined || given === "")
    return `not set; give host:port of some brokers, such as "localhost:9092". ${FROM_ENVIRONMENT}`;
  if (typeof given !== "string") return 'a text is expected, such as "localhost:9092"';
  return given
    .split(",")
    .map((each) => wrongIn(each.trim()))
    .find((wrong) => wrong !== undefined);
};

/**
 * Where the brokers are: a text, or a list of texts. librdkafka would repeat credentials in it, in its log and in its
 * errors; what it does not understand it ignores silently, and finds no broker.
 */
export const brokersSchema: z.ZodType<string | string[]> = z
  .custom<string | string[]>()
  .superRefine((given, context) => {
    const refuse = (message: string | undefined, path: number[]): void => {
      if (message !== undefined) context.addIssue({ code: "custom", message, path });
    };
    if (!Array.isArray(given)) return refuse(wrongWith(given), []);
    if (given.length === 0) refuse('the list is empty; give host:port of some brokers, such as "localhost:9092"', []);
    given.forEach((each, index) => refuse(wrongWith(each), [index]));
  });

/** The same for properties that say where the brokers are. */
export const checkAddresses = (properties: ClientProperties, call: string): void => {
  const wrong = ["bootstrap.servers", "metadata.broker.list"].find((key) => String(properties[key]).includes("@"));
  if (wrong === undefined) return;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${call}: the property ${wrong} takes host:port only. Give kafka.brokers instead, and user and password as kafka.security.sasl.`,
  );
};
