/** Grants rights on a broker: node-rdkafka's admin client cannot, so the request is made by hand. */
import { ask, int16, int32, int8 } from "./ask.js";

const CREATE_ACLS = 30;
const RESOURCES = { topic: 2, group: 3 } as const;
const OPERATIONS = { read: 3, write: 4, describe: 8 } as const;
const [LITERAL, ALLOW] = [3, 3];

export interface Right {
  readonly user: string;
  readonly may: keyof typeof OPERATIONS;
  readonly resource: keyof typeof RESOURCES;
  readonly name: string;
}

const text = (value: string): Buffer => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);

/** `address` is that of a listener that takes anyone, and lets them do anything. */
export async function grant(address: string, ...rights: readonly Right[]): Promise<void> {
  const creations = rights.map(({ user, may, resource, name }) =>
    Buffer.concat([
      int8(RESOURCES[resource]),
      text(name),
      int8(LITERAL),
      text(`User:${user}`),
      text("*"),
      int8(OPERATIONS[may]),
      int8(ALLOW),
    ]),
  );
  const header = [int16(CREATE_ACLS), int16(1), int32(1), int16(-1)];
  const answer = await ask(address, Buffer.concat([...header, int32(creations.length), ...creations]));
  // Length, correlation, throttle time, one result each; a code and no text where it was made.
  const results = answer.subarray(4 + 4 + 4 + 4);
  const made = rights.map((_, index) => results.readInt16BE(index * 4));
  if (made.some((code) => code !== 0)) throw new Error(`The broker made no right: error ${made.join(", ")}.`);
}
