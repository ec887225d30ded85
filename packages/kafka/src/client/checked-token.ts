import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import { issuesInText, type SettingNames } from "./settings-error.js";
import type { OauthToken, TokenProvider } from "./port.js";

/** Ten years: what is longer was meant as a date. */
const LONGEST_MS = 315_360_000_000;

/** librdkafka refuses other characters, and repeats the whole token when it does. */
const visible = z.string().regex(/^[\x21-\x7e]+$/, "visible ASCII characters only");

interface CheckedToken {
  readonly token: string;
  readonly lifetimeMs: number;
  readonly principal?: string | undefined;
  readonly extensions?: Readonly<Record<string, string>> | undefined;
}

const tokenSchema: z.ZodType<CheckedToken> = z.strictObject({
  token: visible,
  lifetimeMs: z
    .number()
    .int()
    .positive("the token has expired")
    .max(LONGEST_MS, "milliseconds from now on, not a date: subtract Date.now()"),
  principal: z.string().optional(),
  extensions: z.record(z.string().regex(/^[a-zA-Z]+$/, "letters only"), visible).optional(),
});

const FIELDS: SettingNames = {
  known: new Set(["token", "lifetimeMs", "principal", "extensions"]),
  ofKafka: new Set(),
};

const failed = (text: string, cause?: unknown): KafkaConnectorError =>
  new KafkaConnectorError("TOKEN_FAILED", text, { retriable: true, ...(cause === undefined ? {} : { cause }) });

/** An answer that never comes must not keep a client from asking again. */
const TIMEOUT_MS = 10_000;

const inTime = async (tokens: TokenProvider, timeoutMs: number): Promise<OauthToken> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new Error(`It has not answered within ${timeoutMs} ms.`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    return await Promise.race([tokens(), late]);
  } finally {
    clearTimeout(timer);
  }
};

/** A new token; fails with `TOKEN_FAILED`, which never has the token in its text. */
export const freshToken = async (tokens: TokenProvider, timeoutMs: number = TIMEOUT_MS): Promise<CheckedToken> => {
  let given: OauthToken;
  try {
    given = await inTime(tokens, timeoutMs);
  } catch (cause) {
    // The text is the provider's own, and may repeat what it was given, so it is only in the cause.
    throw failed("security.sasl.token failed, so there is no OAuth token to connect with. See the cause.", cause);
  }
  const result = tokenSchema.safeParse(given);
  if (result.success) return result.data;
  throw failed(`security.sasl.token gave no usable OAuth token. ${issuesInText(result.error.issues, FIELDS)}`);
};
