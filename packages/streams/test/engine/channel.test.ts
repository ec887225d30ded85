import { Channel, DONE, NO_MORE_ELEMENTS, Run, WAIT } from "@millrace/streams/stage";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";

const unexpected = (): void => expect.fail("woken");

describe("Channel", () => {
  let run: Run;
  beforeEach(() => {
    run = Run.create();
  });
  afterEach(async () => {
    run.terminal(() => undefined)();
    await run.finished;
  });

  it("delivers what is queued before it fails, and then fails for good", () => {
    const channel = new Channel<number>(run);
    const error = new Error("boom");
    channel.offer(1);
    channel.fail(error);
    channel.offer(2);
    channel.complete();
    expect(channel.closed).to.equal(true);
    expect(channel.pull(unexpected)).to.deep.equal([1]);
    expect(() => channel.pull(unexpected)).to.throw(error);
    expect(() => channel.pull(unexpected)).to.throw(error);
  });

  it("notifies its producer of a cancellation once, with the cause, and drops what is queued", async () => {
    const causes: unknown[] = [];
    const channel = new Channel<number>(run, { onCancel: (cause) => void causes.push(cause) });
    channel.offer(1);
    channel.cancel(NO_MORE_ELEMENTS);
    channel.cancel(new Error("again"));
    channel.offer(2);
    expect(causes).to.deep.equal([NO_MORE_ELEMENTS]);
    expect(channel.size).to.equal(0);
    expect(channel.pull(unexpected)).to.equal(DONE);
  });

  it("does not notify a producer that has completed of a cancellation", () => {
    const channel = new Channel<number>(run, { onCancel: () => expect.fail("told") });
    channel.offer(1);
    channel.complete();
    channel.cancel(NO_MORE_ELEMENTS);
  });

  it("does not wake after a cancellation, although an element had come", async () => {
    const channel = new Channel<number>(run);
    expect(channel.pull(unexpected)).to.equal(WAIT);
    channel.offer(1);
    channel.cancel(NO_MORE_ELEMENTS);
    await settle();
  });

  it("wakes once, later, for all that is offered in one turn", async () => {
    const channel = new Channel<number>(run);
    let woken = 0;
    expect(channel.pull(() => void (woken += 1))).to.equal(WAIT);
    channel.offer(1);
    channel.offerChunk([2, 3]);
    channel.offer(4);
    expect(woken).to.equal(0);
    await settle();
    expect(woken).to.equal(1);
    expect(channel.pull(unexpected)).to.deep.equal([1, 2, 3, 4]);
  });

  it("wakes a waiting consumer for completion", async () => {
    const channel = new Channel<number>(run);
    let woken = 0;
    channel.pull(() => void (woken += 1));
    channel.complete();
    await settle();
    expect(woken).to.equal(1);
    expect(channel.pull(unexpected)).to.equal(DONE);
  });

  it("does not wake for an empty chunk", async () => {
    const channel = new Channel<number>(run);
    channel.pull(unexpected);
    channel.offerChunk([]);
    await settle();
  });

  it("keeps nothing of the producer's own array", () => {
    const channel = new Channel<number>(run);
    const own = [1, 2];
    channel.offerChunk(own);
    channel.offer(3);
    expect(own).to.deep.equal([1, 2]);
    own[0] = 9;
    expect(channel.pull(unexpected)).to.deep.equal([1, 2, 3]);
  });

  it("reports to its producer how many of what is queued were taken, or dropped by a cancellation", () => {
    const taken: number[] = [];
    const channel = new Channel<number>(run, { onTaken: (elements) => void taken.push(elements) });
    channel.offer(1);
    expect(channel.size).to.equal(1);
    expect(taken).to.deep.equal([]);
    channel.pull(unexpected);
    expect(channel.size).to.equal(0);
    expect(taken).to.deep.equal([1]);
    channel.offerChunk([2, 3, 4]);
    channel.cancel(NO_MORE_ELEMENTS);
    expect(taken).to.deep.equal([1, 3]);
  });
});
