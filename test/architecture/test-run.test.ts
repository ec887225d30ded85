import { expect } from "chai";
import { withSpunTime } from "../support/spun-time.js";

describe("a test that ran out of time with the clock in its hands", () => {
  const isFaked = (): boolean => Object.hasOwn(performance, "now");
  let end: (() => void) | undefined;

  it("leaves the machine's clock to the next one", () => {
    // As mocha does with a test that is out of time: it goes on, and nobody waits for it.
    void withSpunTime(() => new Promise<void>((resolve) => void (end = resolve)));
    expect(isFaked()).to.equal(true);
  });

  it("and takes it from nobody when it ends", async () => {
    expect(isFaked()).to.equal(false);
    await withSpunTime(async (time) => {
      end?.();
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      const before = performance.now();
      time.spend(5);
      expect(performance.now() - before).to.equal(5);
    });
  });
});
