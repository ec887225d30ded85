import type { Logger } from "@millrace/streams";
import type { ClientProperties } from "./port.js";

const lower = (value: string | number | boolean | undefined): string => String(value ?? "").toLowerCase();

/** Which of these properties let others read or change what is sent. */
const dangers = (properties: ClientProperties): readonly string[] => {
  const protocol = lower(properties["security.protocol"]);
  const mechanism = lower(properties["sasl.mechanisms"] ?? properties["sasl.mechanism"]);
  const encrypted = protocol === "ssl" || protocol === "sasl_ssl";
  const found: string[] = [];
  if (protocol === "sasl_plaintext" && mechanism === "plain")
    found.push("SASL PLAIN without TLS sends the password as it is, to be read by anyone on the way. Set security.tls");
  if (protocol === "sasl_plaintext" && mechanism === "oauthbearer")
    found.push("OAUTHBEARER without TLS sends the token as it is, to be read by anyone on the way. Set security.tls");
  if (encrypted && ["false", "0", "f"].includes(lower(properties["enable.ssl.certificate.verification"])))
    found.push(
      "with rejectUnauthorized: false any certificate is taken, so that anyone on the way can read and change what is sent. Give the authority that signed the brokers' as security.tls.ca",
    );
  if (encrypted && lower(properties["ssl.endpoint.identification.algorithm"]) === "none")
    found.push(
      "with ssl.endpoint.identification.algorithm none a certificate of any host is taken, so that its owner can read and change what is sent. Remove the property",
    );
  return found;
};

const warned = new WeakMap<Logger, Set<string>>();

/** Warns of connections that protect less than they seem to; of each danger once for each logger. */
export const warnOfDangers = (properties: ClientProperties, logger: Logger): void => {
  const known = warned.get(logger) ?? new Set<string>();
  warned.set(logger, known);
  for (const danger of dangers(properties)) {
    if (known.has(danger)) continue;
    known.add(danger);
    logger.warn(`kafka: ${danger}.`);
  }
};
