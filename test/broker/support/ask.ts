/** Requests of Kafka's protocol that are made by hand, for what no client of the tests can ask or tell. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const ANSWER_MS = 10_000;
const FETCH = 1;

export const int8 = (value: number): Buffer => Buffer.from([value]);
export const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
export const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

/** Sends one request, and gives the answer with its length before it. `address` is that of a listener that takes anyone. */
export async function ask(address: string, request: Buffer): Promise<Buffer> {
  const [host = "", port] = address.split(":");
  const socket: Socket = connect(Number(port), host);
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    await once(socket, "connect", { signal });
    socket.write(Buffer.concat([int32(request.length), request]));
    let answer = Buffer.alloc(0);
    while (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) {
      const [bytes] = (await once(socket, "data", { signal })) as [Buffer];
      answer = Buffer.concat([answer, bytes]);
    }
    return answer;
  } finally {
    socket.destroy();
  }
}

/** The answer to a fetch of the first partition from its beginning: the records are in it as the broker has them stored. */
export function fetchRaw(address: string, topic: string): Promise<Buffer> {
  const header = [int16(FETCH), int16(4), int32(1), int16(-1)];
  const [bytes, waitMs] = [1_000_000, 1000];
  const limits = [int32(-1), int32(waitMs), int32(1), int32(bytes), int8(0)];
  const partition = [int32(1), int32(0), int64(0), int32(bytes)];
  const name = Buffer.from(topic);
  return ask(address, Buffer.concat([...header, ...limits, int32(1), int16(name.length), name, ...partition]));
}
