import type { FakeConsumer } from "./fake-consumer.js";
/** Waits until `holds`, or fails with `what` was awaited. */
export const until = async (holds: () => boolean, what: string, withinMs = 8000): Promise<void> => {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`expected ${what} within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};

/** The error a promise rejects with. */
export const rejectionOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected a rejection, but the promise resolved");
};

/** The error `f` throws. */
export const errorOf = (f: () => unknown): unknown => {
  try {
    f();
  } catch (error) {
    return error;
  }
  throw new Error("expected a throw");
};

/** Resolves once a client has been polled more than so many times more. */
export const morePolls = async (client: FakeConsumer, count: number): Promise<void> => {
  const before = client.of("poll").length;
  await until(() => client.of("poll").length > before + count, "polling to go on");
};
