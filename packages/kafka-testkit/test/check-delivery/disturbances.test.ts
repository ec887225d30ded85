import {
  type ConsumerClient,
  type Control,
  committerSink,
  DrainingControl,
  type KafkaDriver,
  sourceWithOffsetContext,
  string,
  type TopicPartitionOffset,
} from "@millrace/kafka";
import {
  checkDelivery,
  type CheckDeliveryOptions,
  DeliveryCheckError,
  type DeliveryInput,
  type DeliveryPipeline,
  type DeliveryWorld,
} from "@millrace/kafka-testkit";
import { FlowWithContext } from "@millrace/streams";
import { expect } from "chai";
import { type DeliveryPlan, type Disturbance, effortOf } from "../../src/check-delivery/delivery-plan.js";
import { calmPlan, roughPlan } from "../../src/check-delivery/draw-plans.js";
import { settingsOf } from "../../src/check-delivery/options.js";
import { effecting, type FollowedRecord } from "./support/pipelines.js";

const branch: FlowWithContext<FollowedRecord, FollowedRecord> = FlowWithContext.of<FollowedRecord>();
const halves = ({ id }: DeliveryInput): readonly string[] => [`${id}a`, `${id}b`];

/** A client, but that some of its calls do something else. */
type Broken = (client: ConsumerClient) => Partial<ConsumerClient>;

const breaking = ({ kafka }: DeliveryWorld, broken: Broken): DeliveryWorld["kafka"] => {
  const driver: KafkaDriver = kafka.driver ?? expect.fail("the world has a driver");
  const consumer: KafkaDriver["consumer"] = (properties, listener) => {
    const client = driver.consumer(properties, listener);
    const calls = broken(client);
    return new Proxy(client, {
      get: (target, name): unknown => {
        const value: unknown = Reflect.get(calls, name) ?? Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  };
  return { ...kafka, driver: { ...driver, consumer } };
};

const source = (world: DeliveryWorld, broken: Broken = () => ({}), settings: object = {}) =>
  sourceWithOffsetContext({
    kafka: breaking(world, broken),
    topics: [world.input],
    value: string(),
    ...settings,
  });

const working =
  (broken?: Broken): DeliveryPipeline =>
  (world) =>
    source(world, broken)
      .mapAsyncUnordered(4, effecting(world))
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);

/** Takes no notice of a seek that fails. */
const deafToSeeks: Broken = (client) => ({
  seek: (positions, timeoutMs) => client.seek(positions, timeoutMs).catch(() => undefined),
});

/** Reads on behind the first record of where it was sent. */
const skippingSeeks: Broken = (client) => ({
  seek: (positions, timeoutMs) =>
    client.seek(
      positions.map((each) => ({ ...each, offset: each.offset + 1 })),
      timeoutMs,
    ),
});

/** Takes every answer for a good one. */
const deafToRefusals: Broken = (client) => ({
  commit: (positions: readonly TopicPartitionOffset[]) => client.commit(positions).catch(() => undefined),
});

/** A control whose drain does something else. */
const draining =
  (drain: (control: Control, done: Promise<unknown>) => Promise<unknown>): DeliveryPipeline =>
  (world) =>
    source(world)
      .alsoTo(branch.mapAsync(1, async ({ value }) => world.effect(`${value}b`)))
      .mapAsync(4, async ({ value }) => world.effect(`${value}a`))
      .toMat(committerSink({ maxBatch: 1 }), (control, done) => ({
        streamCompletion: done,
        isShutdown: control.isShutdown,
        explain: () => control.explain(),
        assignment: () => control.assignment(),
        drainAndShutdown: () => drain(control, done),
      }));

interface Row {
  readonly pipeline: DeliveryPipeline;
  readonly options?: Partial<CheckDeliveryOptions>;
  readonly plan: Partial<DeliveryPlan>;
  readonly code: DeliveryCheckError["code"];
  /** In its message and history: the disturbance, and what came of it. */
  readonly texts: readonly string[];
}

const at = (what: Disturbance["what"], ...steps: readonly number[]): readonly Disturbance[] =>
  steps.map((atStep) => ({ what, atStep }));

const FOUND: Readonly<Record<string, Row>> = {
  "a drain in the middle of work that does not wait for a slow side branch": {
    pipeline: draining((control, done) => {
      void control.drainAndShutdown(done).catch(() => undefined);
      return Promise.resolve();
    }),
    options: { expected: halves },
    plan: { disturbances: [...at("slow", 1), ...at("leave", 8)] },
    code: "ENDED_EARLY",
    texts: ["of each record take", "drains and leaves", "was under way"],
  },
  "a drain in the middle of work that rejects, though nothing hinders it": {
    pipeline: draining(async (control, done) => {
      const isBusy = control.explain().partitions.some(({ inFlight }) => inFlight > 0);
      const report = await control.drainAndShutdown(done);
      if (isBusy) throw new Error("claims were lost");
      return report;
    }),
    options: { expected: halves },
    plan: { disturbances: at("leave", 8) },
    code: "STUCK",
    texts: ["drains and leaves", "nothing hinders the process, and a drain failed: claims were lost"],
  },
  "a side branch whose failures are forgotten": {
    pipeline: (world) =>
      source(world)
        .alsoTo(branch.mapAsync(1, ({ value }) => world.effect(`${value}b`).catch(() => undefined)))
        .mapAsync(4, async ({ value }) => world.effect(`${value}a`))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    options: { expected: halves },
    plan: { disturbances: at("fail", 3) },
    code: "LOST",
    texts: ["of a record some fail"],
  },
  "a client that takes no notice of a seek that fails": {
    pipeline: working(deafToSeeks),
    plan: { disturbances: at("seek", 12, 16, 20), faults: { seekErrorRate: 1 } },
    code: "UNSAFE_COMMIT",
    texts: ["seek of input-", "was not begun again"],
  },
  "a watchdog whose seek leaves a record out": {
    pipeline: working(skippingSeeks),
    plan: { disturbances: at("hang", 4) },
    code: "LOST",
    texts: ["is fetched no more until"],
  },
  "a client that takes no notice of a refused commit": {
    pipeline: working(deafToRefusals),
    plan: { processes: 2, disturbances: at("leave", 14, 20), faults: { revocationCommitRefusalRate: 1 } },
    code: "ENDED_EARLY",
    texts: ["it reports position", "which is not stored"],
  },
  "a budget that is taken three times": {
    pipeline: (world) => {
      const { maxInFlight, maxReplay } = world.bounds;
      return source(world, undefined, { maxInFlight, maxReplay: { records: 3 * maxReplay.records } })
        .mapAsyncUnordered(8, effecting(world))
        .toMat(committerSink({ maxIntervalMs: 5000 }), DrainingControl.from);
    },
    plan: { records: 30, partitions: 1, kills: [25], bounds: { maxInFlight: 30, maxReplay: { records: 2 } } },
    code: "REPLAY_EXCEEDED",
    texts: ["records be worked on again, and maxReplay is 2"],
  },
};

const SEEDS = 60;
const settings = settingsOf({ guarantee: "at-least-once", effectErrorRate: 0.1, steered: true });

/** The first fault among a few seeds, each run once and told as it is. */
const found = async ({ pipeline, options, plan, code }: Row): Promise<DeliveryCheckError> => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const replay = { ...calmPlan(settings, seed), ...plan };
    const outcome = await checkDelivery(pipeline, { guarantee: "at-least-once", ...options, replay }).catch(
      (error: unknown) => error,
    );
    if (outcome instanceof DeliveryCheckError && outcome.code === code) return outcome;
  }
  return expect.fail(`nothing was found with ${SEEDS} seeds`);
};

describe("checkDelivery finds by what it draws", function () {
  this.timeout(120_000);

  for (const [name, row] of Object.entries(FOUND)) {
    it(name, async () => {
      const error = await found(row);
      for (const text of row.texts) expect(error.message + error.history.join("\n")).to.include(text);
    });
  }

  it("and draws each of it", () => {
    const plans = Array.from({ length: 400 }, (_, seed) => roughPlan(settings, seed, 40));
    const kinds = new Set(plans.flatMap(({ disturbances }) => disturbances.map(({ what }) => what)));
    expect(kinds).to.include.all.keys("leave", "slow", "fail", "hang", "hold", "pause", "seek", "replay", "visit");
    const faults = new Set(plans.flatMap((plan) => Object.keys(plan.faults)));
    expect(faults).to.include.all.keys("seekErrorRate", "revocationCommitRefusalRate");
    const budgets = plans.map(({ bounds }) => Math.sign(bounds.maxReplay.records - bounds.maxInFlight));
    expect(budgets).to.include.members([-1, 1]);
    const leaving = plans.filter((plan) => effortOf(plan) <= 2 && plan.disturbances.at(-1)?.what === "leave");
    expect(leaving, "plans of one that leaves, and that nothing hinders").to.have.length.above(10);
  });

  it("nothing in a pipeline that is right, whose budget is now below and now above its other bounds", async () => {
    const pipeline: DeliveryPipeline = (world) =>
      source(world, undefined, world.bounds)
        .mapAsyncUnordered(8, effecting(world))
        .toMat(committerSink({ maxIntervalMs: 5000 }), DrainingControl.from);
    const report = await checkDelivery(pipeline, { guarantee: "at-least-once", records: 12, runs: 20 });
    expect(report.maxReplay).to.be.within(1, 8);
  });

  it("nothing in one whose positions a dead member's transaction holds, and that protects itself from resets", async () => {
    const pipeline: DeliveryPipeline = (world) =>
      source(world, undefined, { offsetResetProtection: {} })
        .mapAsyncUnordered(4, effecting(world))
        .toMat(committerSink(), DrainingControl.from);
    for (let seed = 1; seed <= 20; seed++) {
      const replay = { ...calmPlan(settings, seed), disturbances: at("hold", 3), kills: [8] };
      await checkDelivery(pipeline, { guarantee: "at-least-once", replay });
    }
  });

  it("nothing in one that has no watchdog, whose process is restarted when nothing is fetched", async () => {
    const pipeline: DeliveryPipeline = (world) =>
      source(world, undefined, { watchdog: false })
        .mapAsyncUnordered(4, effecting(world))
        .toMat(committerSink(), DrainingControl.from);
    let restarts = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const replay = { ...calmPlan(settings, seed), disturbances: at("hang", 4) };
      restarts += (await checkDelivery(pipeline, { guarantee: "at-least-once", replay })).kills;
    }
    expect(restarts).to.be.at.least(1);
  });
});
