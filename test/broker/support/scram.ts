/** Gives a broker a user with a SCRAM password: librdkafka's admin client of node-rdkafka cannot, so the request is made by hand. */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { ask, int16, int32, int8 } from "./ask.js";

const MECHANISMS = {
  "scram-sha-256": { code: 1, digest: "sha256", bytes: 32 },
  "scram-sha-512": { code: 2, digest: "sha512", bytes: 64 },
} as const;
/** As few as a broker takes. */
const ITERATIONS = 4096;
const ALTER_USER_SCRAM_CREDENTIALS = 51;

/** Length and one, in one byte: everything here is short. */
const compact = (bytes: Buffer): Buffer => Buffer.concat([int8(bytes.length + 1), bytes]);
const NO_TAGS = int8(0);

/** `address` is that of a listener that takes anyone. Done when the broker has stored the password. */
export async function storeScramUser(
  address: string,
  mechanism: keyof typeof MECHANISMS,
  user: string,
  password: string,
): Promise<void> {
  const { code, digest, bytes } = MECHANISMS[mechanism];
  const salt = randomBytes(16);
  const upsertion = Buffer.concat([
    compact(Buffer.from(user)),
    int8(code),
    int32(ITERATIONS),
    compact(salt),
    compact(pbkdf2Sync(password, salt, ITERATIONS, bytes, digest)),
    NO_TAGS,
  ]);
  const header = [int16(ALTER_USER_SCRAM_CREDENTIALS), int16(0), int32(1), int16(-1), NO_TAGS];
  // No deletions, one upsertion.
  const request = Buffer.concat([...header, int8(1), int8(2), upsertion, NO_TAGS]);
  const answer = await ask(address, request);
  // Length, correlation, tags, throttle time, one result: the user's name, and the code.
  const error = answer.readInt16BE(4 + 4 + 1 + 4 + 1 + 1 + Buffer.byteLength(user));
  if (error !== 0) throw new Error(`The broker refused the user with error ${error}.`);
}
