import { expect } from "chai";
import { WaitingThreads } from "../../../src/client/rdkafka/waiting-threads.js";

const WAIT_MS = 50;

/** Consumers that wait until they are told what they found. */
class Consumers {
  readonly #threads: WaitingThreads;
  readonly waits: number[] = [];
  readonly #found: ((records: string[]) => void)[] = [];
  readonly #failed: ((error: Error) => void)[] = [];

  constructor(poolSize: number) {
    this.#threads = new WaitingThreads(poolSize);
  }

  wait(): Promise<string[]> {
    return this.#threads.wait(WAIT_MS, (waitMs) => {
      this.waits.push(waitMs);
      return new Promise((resolve, reject) => {
        this.#found.push(resolve);
        this.#failed.push(reject);
      });
    });
  }

  find(consumer: number, ...records: string[]): void {
    this.#found[consumer]?.(records);
  }

  fail(consumer: number): void {
    this.#failed[consumer]?.(new Error("the broker is gone"));
  }
}

describe("WaitingThreads", () => {
  it("gives a thread back when waiting on it fails", async () => {
    const consumers = new Consumers(2);
    const failed = consumers.wait().catch((error: unknown) => error);
    consumers.fail(0);
    expect(await failed).to.be.an("error");
    const next = consumers.wait();
    consumers.find(1, "a");
    expect(await next).to.deep.equal(["a"]);
    expect(consumers.waits).to.deep.equal([WAIT_MS, WAIT_MS]);
  });

  it("lets no more than half of the pool wait, and the others look at once", async () => {
    const consumers = new Consumers(4);
    const all = Array.from({ length: 8 }, () => consumers.wait());
    expect(consumers.waits).to.deep.equal([WAIT_MS, WAIT_MS, 0, 0, 0, 0, 0, 0]);
    for (let consumer = 0; consumer < all.length; consumer++) consumers.find(consumer, String(consumer));
    expect(await Promise.all(all)).to.deep.equal(["0", "1", "2", "3", "4", "5", "6", "7"].map((each) => [each]));
  });

  it("lets one wait where the pool has a single thread", async () => {
    const consumers = new Consumers(1);
    const one = consumers.wait();
    expect(consumers.waits).to.deep.equal([WAIT_MS]);
    consumers.find(0);
    expect(await one).to.deep.equal([]);
  });

  it("answers one that found nothing without a thread only after a pause", async () => {
    const consumers = new Consumers(2);
    const first = consumers.wait();
    let answered = false;
    const second = consumers.wait().then((found) => {
      answered = true;
      return found;
    });
    consumers.find(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).to.equal(false);
    expect(await second).to.deep.equal([]);
    consumers.find(0);
    await first;
  });
});
