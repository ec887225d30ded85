import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import type { ClientProperties, TokenProvider } from "./port.js";

/** Certificates and keys are given as the path of a PEM file, or as the PEM text itself. */
export interface TlsSettings {
  /** Who may have signed the brokers' certificates. Default: those the system trusts. */
  readonly ca?: string;
  /** This client's certificate, where the brokers ask for one; with `key`. */
  readonly cert?: string;
  readonly key?: string;
  /** Of an encrypted `key`. */
  readonly passphrase?: string;
  /** `false` takes any certificate, so that anyone on the way can read and change what is sent. Default `true`. */
  readonly rejectUnauthorized?: boolean;
}

export type SaslSettings =
  | {
      /** `plain` sends the password as it is: with TLS only, outside of tests. */
      readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly mechanism: "oauthbearer";
      /** Asked before a client connects, and again when four fifths of the lifetime have passed. */
      readonly token: TokenProvider;
    };

/** How clients prove who they are, and that the brokers are who they should be. */
export interface SecuritySettings {
  /** `true`: TLS with the certificates that the system trusts. Default: no TLS. */
  readonly tls?: true | TlsSettings;
  /** Default: none. */
  readonly sasl?: SaslSettings;
}

const text = z.string().min(1);

const tlsSchema = z
  .strictObject({
    ca: text.optional(),
    cert: text.optional(),
    key: text.optional(),
    passphrase: text.optional(),
    rejectUnauthorized: z.boolean().default(true),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), "cert and key go together: give both")
  .refine(
    ({ key, passphrase }) => passphrase === undefined || key !== undefined,
    "passphrase is that of a key: give key",
  )
  .refine(
    ({ ca, rejectUnauthorized }) => ca === undefined || rejectUnauthorized,
    "ca is of no use where rejectUnauthorized is false: remove one of the two",
  );

/** As zod answers it: what is left out may be `undefined`. */
export type OrUndefined<T> = { readonly [Name in keyof T]: T[Name] | undefined };

/** Settings as they are parsed. */
export interface Security {
  readonly tls?: (OrUndefined<TlsSettings> & { readonly rejectUnauthorized: boolean }) | undefined;
  readonly sasl?: SaslSettings | undefined;
}

export const securitySchema: z.ZodType<Security> = z
  .strictObject({
    tls: z.preprocess((value) => (value === true ? {} : value), tlsSchema).optional(),
    sasl: z
      .discriminatedUnion("mechanism", [
        z.strictObject({
          mechanism: z.enum(["plain", "scram-sha-256", "scram-sha-512"]),
          username: text,
          password: text,
        }),
        z.strictObject({
          mechanism: z.literal("oauthbearer"),
          token: z.custom<TokenProvider>((value) => typeof value === "function", "token is a function"),
        }),
      ])
      .optional(),
  })
  .refine(({ tls, sasl }) => tls !== undefined || sasl !== undefined, "give tls, sasl or both, or leave security out");

/** librdkafka's properties that `security` decides, whatever their values. */
const DECIDED =
  /^(security\.protocol|enable\.ssl\.certificate\.verification|sasl\.(mechanisms?|username|password|oauthbearer\..*)|enable\.sasl\.oauthbearer\.unsecure\.jwt|ssl\.(ca|certificate|key|keystore)\..*|ssl_(ca|certificate|key))$/;

const pemOr = (name: "ca" | "certificate" | "key", value: string | undefined): ClientProperties => {
  if (value === undefined) return {};
  return value.includes("-----BEGIN ") ? { [`ssl.${name}.pem`]: value } : { [`ssl.${name}.location`]: value };
};

const tlsProperties = (tls: Security["tls"]): ClientProperties => {
  if (tls === undefined) return {};
  return {
    ...pemOr("ca", tls.ca),
    ...pemOr("certificate", tls.cert),
    ...pemOr("key", tls.key),
    ...(tls.passphrase === undefined ? {} : { "ssl.key.password": tls.passphrase }),
    ...(tls.rejectUnauthorized ? {} : { "enable.ssl.certificate.verification": false }),
  };
};

const saslProperties = (sasl: Security["sasl"]): ClientProperties => {
  if (sasl === undefined) return {};
  const mechanism = { "sasl.mechanisms": sasl.mechanism.toUpperCase() };
  if (sasl.mechanism === "oauthbearer") return mechanism;
  return { ...mechanism, "sasl.username": sasl.username, "sasl.password": sasl.password };
};

/** What `security` means to librdkafka; throws `INVALID_SETTINGS` where `properties` say something about it too. */
export const securityProperties = (
  security: Security | undefined,
  properties: ClientProperties,
  call: string,
): ClientProperties => {
  if (security === undefined) return {};
  const { tls, sasl } = security;
  const unused = tls === undefined ? /^ssl[._]/ : undefined;
  const raw = Object.keys(properties).find((key) => DECIDED.test(key) || unused?.test(key));
  if (raw !== undefined) {
    const reason = DECIDED.test(raw) ? "is decided by kafka.security" : "has no effect, for kafka.security has no tls";
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${call}: the property ${raw} ${reason}. Remove it, or write all of the security as properties.`,
    );
  }
  const sending = tls === undefined ? "plaintext" : "ssl";
  return {
    "security.protocol": sasl === undefined ? sending : `sasl_${sending}`,
    ...tlsProperties(tls),
    ...saslProperties(sasl),
  };
};

export const tokensOf = (security: Security | undefined): TokenProvider | undefined =>
  security?.sasl?.mechanism === "oauthbearer" ? security.sasl.token : undefined;
