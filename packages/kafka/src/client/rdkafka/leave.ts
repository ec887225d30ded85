import { KafkaConnectorError } from "../../errors/errors.js";
import { type ClientTimeouts, within } from "./client-life.js";
import type { NativeConsumer } from "./native.js";
import type { NativeCalls } from "./native-calls.js";
import type { Rebalancer } from "./rebalancer.js";
import { isStuckUntil } from "./stuck-clients.js";

/** How long a poll waits that only serves callbacks. */
const SERVE_MS = 20;
/** Between looks whether a client that is let go can close. */
const LOOK_MS = 500;

/** What leaving needs of a consumer whose polls have ended. */
export interface LeavingConsumer {
  readonly native: Pick<NativeConsumer, "unsubscribe" | "disconnect">;
  readonly rebalancer: Rebalancer;
  readonly calls: NativeCalls;
  readonly timeouts: ClientTimeouts;
  readonly hurry: Hurry;
  /** A commit waits for its answer, which a poll brings. */
  isCommitting(): boolean;
  /** Polls for one record and forgets it: the position is never committed. Never rejects. */
  serve(timeoutMs: number): Promise<unknown>;
}

/** Once it has begun, answers of brokers and listeners are no longer awaited. */
export class Hurry {
  #begun = false;
  begin: () => void = () => undefined;
  readonly #beginning: Promise<void> = new Promise((resolve) => {
    this.begin = () => {
      this.#begun = true;
      resolve();
    };
  });

  get begun(): boolean {
    return this.#begun;
  }

  /** As `within`, and no longer than until it begins. */
  within<T>(promise: Promise<T>, deadline: number): Promise<T | void> {
    return this.#begun ? Promise.resolve() : within(Promise.race([promise, this.#beginning]), deadline);
  }
}

/** Leaves the group and closes the client, or throws `CLOSE_TIMEOUT` once the deadline and the grace have passed. */
export async function leave(consumer: LeavingConsumer, deadline: number): Promise<void> {
  const { native, rebalancer, calls, timeouts, hurry } = consumer;
  await serveAnswers(consumer, deadline);
  if (hurry.begun && (consumer.isCommitting() || !calls.idle)) return leaveLater(consumer);
  let listeners = rebalancer.unanswered;
  if (listeners > 0) rebalancer.abandon();
  if (!calls.idle && (await hurry.within(calls.settled(deadline), deadline)) !== true) return leaveOnly(consumer);
  const left = new Promise<true>((resolve) => native.disconnect(() => resolve(true)));
  let ended = (await hurry.within(left, deadline)) === true;
  if (ended && listeners === 0) return;
  listeners += rebalancer.unanswered;
  rebalancer.abandon();
  ended ||= (await hurry.within(left, performance.now() + timeouts.graceMs)) === true;
  if (!ended) isStuckUntil(left);
  const reason =
    listeners > 0
      ? "a rebalance listener has not ended, so its partitions were given up without it"
      : "the client is stuck";
  const state = ended ? "It is closed now." : "It may still be open.";
  throw closeTimeout(timeouts, `${reason}. ${state} Let onAssign and onRevoke end sooner.`);
}

/**
 * Polls, discarding records, until the rebalances that have begun and the commit in flight are answered. Disconnecting
 * would give the partitions to others while their listener still works on them (I4), and would discard the commit's
 * answer.
 */
async function serveAnswers(consumer: LeavingConsumer, deadline: number): Promise<void> {
  const { rebalancer, timeouts, hurry } = consumer;
  const committed = Math.min(deadline, performance.now() + timeouts.graceMs);
  for (;;) {
    // 1. A poll takes a rebalance and ends; 2. the listener is called by another handle, in the same turn; 3. so look after it.
    await new Promise((resolve) => setImmediate(resolve));
    rebalancer.leave();
    if (hurry.begun) return;
    const now = performance.now();
    const rebalancing = rebalancer.unanswered > 0 && now < deadline;
    if (!rebalancing && (!consumer.isCommitting() || now >= committed)) return;
    const answered = rebalancing ? rebalancer.answered() : undefined;
    // None follows a rebalance that is unanswered; but a poll that outlasts the listener could take the next one.
    await within(consumer.serve(rebalancing ? 0 : SERVE_MS), deadline);
    if (answered !== undefined) await within(answered, Math.min(deadline, performance.now() + SERVE_MS));
  }
}

/**
 * A disconnect would wait for the answer of a broker that is away: for a commit as long as a session, on one of libuv's
 * threads, which keeps the process from ending. So it is done once there is nothing to wait for; a process that ends
 * before does not need it.
 */
function leaveLater(consumer: LeavingConsumer): never {
  const { native, rebalancer, calls, timeouts } = consumer;
  rebalancer.abandon();
  native.unsubscribe();
  const look = setInterval(() => {
    void consumer.serve(0).then(() => {
      if (consumer.isCommitting() || !calls.idle) return;
      clearInterval(look);
      native.disconnect(() => undefined);
    });
  }, LOOK_MS);
  look.unref();
  throw closeTimeout(timeouts, "a broker owes it an answer. It leaves its group and closes once that has come.");
}

/** A call is stuck, so disconnecting would free the client beneath it: leaves the group now, and disconnects if it ends. */
async function leaveOnly(consumer: LeavingConsumer): Promise<never> {
  const { native, rebalancer, calls, timeouts, hurry } = consumer;
  const until = performance.now() + timeouts.graceMs;
  native.unsubscribe();
  while (rebalancer.holds && performance.now() < until && !hurry.begun) await within(consumer.serve(SERVE_MS), until);
  rebalancer.abandon();
  void calls.ended().then(() => native.disconnect(() => undefined));
  throw closeTimeout(
    timeouts,
    "a call to the client has not ended. Its group is left, and the client closes if the call ends. Check that the brokers are up.",
  );
}

function closeTimeout({ closeMs }: ClientTimeouts, reason: string): KafkaConnectorError {
  return new KafkaConnectorError("CLOSE_TIMEOUT", `The consumer did not close within ${closeMs} ms: ${reason}`, {
    fatal: true,
  });
}
