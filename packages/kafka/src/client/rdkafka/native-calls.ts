import type { KafkaConnectorError } from "../../errors/errors.js";
import { within } from "./client-life.js";
import type { NativeError } from "./native.js";

/** How long after its own time-out a call is still waited for: librdkafka's answer says more than ours. */
const MARGIN_MS = 1000;

/** For calls that take no time-out, because they ask no broker. */
export const LOCAL_CALL_MS = 10_000;

export interface NativeCall<T> {
  /** Comes in time: where librdkafka gives none, a failure. */
  readonly answer: Promise<T>;
  /** Resolves when the call no longer uses the client; a stuck call never does. */
  readonly ended: Promise<void>;
}

export interface NativeCallOptions {
  readonly timeoutMs: number;
  /** The error for one that librdkafka gave. */
  readonly failed: (error: NativeError) => KafkaConnectorError;
  /** What `answer` rejects with where librdkafka gave nothing in time. */
  readonly late: () => KafkaConnectorError;
}

/** Starts a call which librdkafka answers off the main thread, if at all: with a frozen broker it may never end. */
export function startCall<T>(
  { timeoutMs, failed, late }: NativeCallOptions,
  call: (done: (error: NativeError | null | undefined, result: T) => void) => void,
): NativeCall<T> {
  let markEnded = (): void => undefined;
  const ended = new Promise<void>((resolve) => (markEnded = resolve));
  const answer = new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeoutMs + MARGIN_MS);
    const end = (): void => {
      clearTimeout(timer);
      markEnded();
    };
    try {
      call((error, result) => {
        end();
        if (error === null || error === undefined) resolve(result);
        else reject(failed(error));
      });
    } catch (error) {
      end();
      reject(error);
    }
  });
  return { answer, ended };
}

/** The calls that use a client off the main thread: disconnecting would free it while they use it. */
export class NativeCalls {
  readonly #running: Set<NativeCall<unknown>> = new Set();

  /** Remembers it until it has ended, and returns its answer. */
  track<T>(call: NativeCall<T>): Promise<T> {
    this.#running.add(call);
    void call.ended.then(() => this.#running.delete(call));
    // A caller that starts several calls and awaits them in turn handles the later ones too.
    call.answer.catch(() => undefined);
    return call.answer;
  }

  /** None is running. */
  get idle(): boolean {
    return this.#running.size === 0;
  }

  /** Waits until each has been answered. True when all have ended; a call that is stuck is not waited for. */
  async settled(deadline: number): Promise<boolean> {
    await within(Promise.allSettled([...this.#running].map(({ answer }) => answer)), deadline);
    return this.#running.size === 0;
  }

  /** Resolves when no call uses the client any more, perhaps never. */
  async ended(): Promise<void> {
    await Promise.all([...this.#running].map((call) => call.ended));
  }
}
