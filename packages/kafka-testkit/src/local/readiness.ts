import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { KafkaTestkitError } from "../errors.js";
import { describeCluster, type ClusterLayout } from "../rdkafka.js";

const POLL_MS = 50;
const METADATA_TIMEOUT_MS = 2_000;

export interface Wait {
  /** For the error message: what is awaited. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Called before each attempt; throws when waiting is of no use any more. */
  readonly check?: () => void;
}

/** Asks `address` again and again until its answer satisfies `accepts`; `REQUEST_FAILED` when the time is over. */
export async function awaitCluster(
  address: string,
  accepts: (layout: ClusterLayout) => boolean,
  { what, timeoutMs, check }: Wait,
): Promise<ClusterLayout> {
  const deadline = Date.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    check?.();
    const layout = await ask(address).catch((error: unknown) => void (failure = error));
    if (layout !== undefined && accepts(layout)) return layout;
    if (Date.now() > deadline) {
      throw new KafkaTestkitError("REQUEST_FAILED", `${what}: not so after ${timeoutMs} ms at ${address}.`, failure);
    }
    await delay(POLL_MS);
  }
}

async function ask(addresses: string): Promise<ClusterLayout | undefined> {
  // A plain connection first: it is refused at once where a Kafka client would go on trying.
  const open = await Promise.all(addresses.split(",").map(accepting));
  return open.includes(true) ? describeCluster(addresses, METADATA_TIMEOUT_MS) : undefined;
}

function accepting(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(address.slice(colon + 1)), timeout: METADATA_TIMEOUT_MS });
    const answer = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", () => answer(true));
    socket.once("timeout", () => answer(false));
    socket.once("error", () => answer(false));
  });
}
