import { settle, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Assignment } from "../../../src/consumer/partitions/assignment.js";
import type { Commits } from "../../../src/consumer/committing/commits.js";
import { Rebalancing } from "../../../src/consumer/rebalancing/rebalancing.js";
import { SessionLife } from "../../../src/consumer/partitions/session-life.js";
import { FlowControl } from "../../../src/consumer/reading/flow-control.js";
import type { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { ClaimsEnded } from "../../../src/consumer/partitions/claims-ended.js";
import { partitionOf } from "../../../src/client/partition-key.js";
import type { TopicPartition } from "../../../src/client/port.js";
import { Auditor } from "../../../src/ledger/auditor.js";
import { p0, p1 } from "../../support/pipelines.js";
import { sessionContext } from "../../support/session-context.js";
import { Latch } from "../../../../../test/support/latch.js";

const REVOKE_TIMEOUT_MS = 100;
const COMMIT_TIMEOUT_MS = 5000;

/** Two partitions of three delivered records each, and what is done with them, in order. */
class World {
  readonly steps: string[] = [];
  readonly failures: unknown[] = [];
  readonly removed: TopicPartition[] = [];
  readonly clock: VirtualClock = virtualClock();
  readonly owned: readonly OwnedPartition[];
  readonly commits: Latch[] = [];
  readonly claimsEnded: ClaimsEnded = new ClaimsEnded(this.clock, REVOKE_TIMEOUT_MS);
  busy = false;
  readonly life: SessionLife = new SessionLife({
    mends: () => false,
    onFailure: (error) => this.failures.push(error),
  });
  resume: () => void = () => undefined;
  readonly rebalancing: Rebalancing;

  constructor() {
    const listener = { onEnded: () => this.claimsEnded.check(), onRoom: () => undefined };
    const assignment = new Assignment(new Auditor(), Number.POSITIVE_INFINITY, listener);
    const remove = assignment.remove.bind(assignment);
    assignment.remove = (gone) => {
      this.#remove(gone);
      remove(gone);
    };
    assignment.commits();
    this.owned = assignment.add([p0, p1]);
    for (const owned of this.owned) for (let offset = 0; offset < 3; offset++) owned.open(offset, 0);
    const client = { pause: () => undefined, resume: () => this.resume() };
    const flow = new FlowControl({} as never, client, () => assignment.partitions);
    flow.apply(true);
    const log = (level: string) => (text: string) => void this.steps.push(`${level}: ${text.split(": ")[1]}`);
    const call = (name: string) => async () => void this.steps.push(name);
    const context = sessionContext({
      settings: {
        groupId: "g",
        handlers: { onRevoke: call("onRevoke"), onLost: call("onLost") },
        handlerTimeoutMs: 1000,
      },
      clock: this.clock,
      logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
      assignment,
      reading: { wake: () => undefined, flow },
      commits: this.#doubleOfCommits(),
      life: this.life,
    });
    this.rebalancing = new Rebalancing(context, {
      onTaken: () => undefined,
      onGivenUp: (partitions) => void this.steps.push(`told of ${partitions.map(({ partition }) => partition).join()}`),
    });
  }

  #remove(gone: readonly OwnedPartition[]): void {
    this.steps.push("removed");
    this.removed.push(...gone.map(partitionOf));
  }

  #doubleOfCommits(): Partial<Commits> {
    const isBusy = (): boolean => this.busy;
    return {
      get busy() {
        return isBusy();
      },
      check: () => this.claimsEnded.check(),
      untilEnded: (partitions) => {
        const ended = this.claimsEnded.untilEnded(partitions, () => this.life.isOver);
        this.steps.push(this.#hurry());
        this.claimsEnded.check();
        return ended;
      },
      within: (timeoutMs, work) => this.claimsEnded.within(timeoutMs, work),
      now: () => {
        this.steps.push("committed");
        const latch = new Latch();
        this.commits.push(latch);
        return latch.opened;
      },
    };
  }

  /** Committers hurry because a revocation waits. */
  #hurry(): string {
    return this.claimsEnded.waiting ? "hurried" : "hurried too early";
  }

  end(owned: OwnedPartition | undefined, count = 3): void {
    for (let sequence = 0; sequence < count; sequence++) owned?.end(sequence, sequence, "processed");
  }

  /** Runs it until it rests, and answers whether it is done. */
  revoke(...places: Parameters<Rebalancing["revoked"]>[0]): { readonly done: boolean } {
    const state = { done: false };
    void this.rebalancing.revoked(places).then(() => (state.done = true));
    return state;
  }
}

const BEGUN = ["told of 0", "hurried"];
const GONE = ["removed", "info: partitions revoked", "onRevoke"];
const GONE_UNFINISHED = ["removed", "warn: partitions revoked before all their records were finished", "onRevoke"];

describe("partitions that are given up", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  it("deliver nothing more, are waited for, committed, fenced and only then reported as revoked (I4)", async () => {
    const [first, second] = world.owned;
    const state = world.revoke(p0);
    await settle();
    expect([first!.retired, second!.retired]).to.deep.equal([true, false]);
    expect(world.steps).to.deep.equal(BEGUN);
    world.end(first);
    await settle();
    expect(world.steps).to.deep.equal([...BEGUN, "committed"]);
    expect(first!.ledger.fenced, "before the answer").to.equal(false);
    world.commits[0]!.open();
    await settle();
    expect(world.steps).to.deep.equal([...BEGUN, "committed", ...GONE]);
    expect({ ...state, fenced: world.owned.map(({ ledger }) => ledger.fenced) }).to.deep.equal({
      done: true,
      fenced: [true, false],
    });
  });

  it("are waited for no longer than the deadline, and what is finished then is committed", async () => {
    const state = world.revoke(p0);
    world.end(world.owned[0], 2);
    await world.clock.advance(REVOKE_TIMEOUT_MS - 1);
    expect(world.steps).to.deep.equal(BEGUN);
    await world.clock.advance(1);
    world.commits[0]!.open();
    await settle();
    expect(world.steps).to.deep.equal([...BEGUN, "committed", ...GONE_UNFINISHED]);
    expect(state.done).to.equal(true);
  });

  for (const [what, prepare] of Object.entries<(world: World) => void>({
    "nobody is left to end anything": (each) => each.life.abandon(),
    "nobody is left while it waits": (each) =>
      void Promise.resolve().then(() => {
        each.life.abandon();
        each.claimsEnded.check();
      }),
  })) {
    it(`are not waited for where ${what}`, async () => {
      prepare(world);
      const state = world.revoke(p0);
      await settle();
      expect(world.steps).to.deep.equal([...BEGUN, ...GONE_UNFINISHED]);
      expect(state.done).to.equal(true);
    });
  }

  it("are neither waited for nor committed while the consumer closes, which does both by itself", async () => {
    world.life.close();
    world.revoke(p0);
    await settle();
    expect(world.steps).to.deep.equal(["told of 0", ...GONE]);
  });

  it("wait for a commit under way, though they have nothing new", async () => {
    world.busy = true;
    world.life.abandon();
    world.revoke(p0);
    await settle();
    expect(world.steps).to.deep.equal([...BEGUN, "committed"]);
  });

  it("are given up though their last commit fails, which is logged and nobody's failure", async () => {
    world.revoke(p0);
    world.end(world.owned[0]);
    await settle();
    world.commits[0]!.fail(new Error("refused"));
    await settle();
    const what =
      "warn: the commit before partitions are given up failed; the next owner reads again what it was to commit";
    expect(world.steps).to.deep.equal([...BEGUN, "committed", what, ...GONE]);
    expect(world.failures).to.deep.equal([]);
  });

  it("are given up though their last commit is never answered", async () => {
    const state = world.revoke(p0);
    world.end(world.owned[0]);
    await world.clock.advance(COMMIT_TIMEOUT_MS - 1);
    expect(state.done).to.equal(false);
    await world.clock.advance(1);
    expect(world.steps).to.deep.equal([...BEGUN, "committed", ...GONE]);
  });

  it("fail the stream, and are given up all the same, where the client cannot resume them", async () => {
    const broken = new Error("broken");
    world.resume = () => {
      throw broken;
    };
    world.life.abandon();
    const state = world.revoke(p0);
    await settle();
    expect(world.failures).to.deep.equal([broken]);
    expect(state.done).to.equal(true);
  });

  it("are fenced at once and not committed where they are lost, and nobody waits for them any more (I5)", async () => {
    const state = world.revoke(p0, p1);
    await settle();
    world.end(world.owned[1]);
    world.steps.length = 0;
    await world.rebalancing.lost([p0]);
    expect(world.owned.map(({ ledger }) => ledger.fenced)).to.deep.equal([true, false]);
    expect(world.steps.slice(0, 4)).to.deep.equal(["removed", "told of 0", "warn: partitions lost", "onLost"]);
    await settle();
    world.commits[0]!.open();
    await settle();
    expect(state.done).to.equal(true);
    expect(world.removed, "each once").to.deep.equal([p0, p1]);
  });
});
