import { type KafkaDriver, silentLogger } from "@millrace/kafka";
import type { Clock } from "@millrace/streams";
import type { Random } from "../simulated/random.js";
import type { Bounds } from "./delivery-plan.js";
import type { DeliveryWorld } from "./delivery-world.js";
import type { EffectTroubles } from "./effect-troubles.js";
import type { Effects } from "./effects.js";
import type { Life } from "./life.js";
import { LivingConsumer } from "./living-consumer.js";
import { LivingProducer } from "./living-producer.js";

export const INPUT = "input";
export const OUTPUT = "output";
export const GROUP = "check-delivery";

/** Short, so that what a dead process had is soon free for the next. */
export const SESSION_TIMEOUT_MS = 400;

export interface WorldOptions {
  readonly life: Life;
  readonly driver: KafkaDriver;
  readonly effects: Effects;
  readonly clock: Clock;
  readonly random: Random;
  readonly assignor: string;
  readonly effectErrorRate: number;
  readonly troubles: EffectTroubles;
  readonly bounds: Bounds;
}

const livingDriver = ({ driver, life, effects }: WorldOptions): KafkaDriver => ({
  ...driver,
  // The client id is how the cluster knows which process a client dies with.
  consumer: (properties, listener) =>
    new LivingConsumer(driver, { ...properties, "client.id": life.name }, listener, life),
  producer: (properties, listener) =>
    new LivingProducer(driver, { ...properties, "client.id": life.name }, listener, life, effects),
});

/** Mostly short; now and then long enough for commits and timers to come first. */
const drawEffectMs = (random: Random): number => (random.happens(0.25) ? random.int(200, 3000) : random.int(0, 20));

/** How long the remains of a dead process wait for a refusal, so that one that tries again and again does so in time. */
const DEAD_MS = 100;

/** A pipeline that awaits neither has a bug to be found; its rejection must not end the test's process. */
const heard = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined);
  return promise;
};

/** Everything a life works with; it fails when the process dies, so that what remains of it ends. */
export const worldOf = (options: WorldOptions): DeliveryWorld => {
  const { life, effects, clock, random, troubles } = options;
  const pass = (ms: number): Promise<void> => new Promise((resolve) => void clock.schedule(ms, resolve));
  const sleep = async (ms: number): Promise<void> => {
    await (life.dead ? pass(DEAD_MS) : life.alive(pass(ms)));
    life.requireAlive();
  };
  const effect = async (id: string): Promise<void> => {
    if (life.dead) return sleep(DEAD_MS);
    const kind = effects.kindOf(id);
    effects.begin(id);
    life.touched.add(id);
    life.underWay.add(id);
    life.step(`${life.name}: effect ${id} begins`);
    const course = troubles.courseOf(kind, random);
    await sleep(course?.ms ?? drawEffectMs(random) + troubles.extraMs(kind));
    life.underWay.delete(id);
    if (course?.fails === true || random.happens(options.effectErrorRate)) {
      effects.fail(id);
      life.step(`${life.name}: effect ${id} fails`);
      life.requireAlive();
      throw new Error(`Effect ${id} fails, as checkDelivery tries (effectErrorRate).`);
    }
    effects.take(id);
    life.step(`${life.name}: effect ${id} happens`);
    await sleep(random.int(0, 20));
  };
  return {
    kafka: {
      brokers: "simulated:9092",
      groupId: GROUP,
      clientId: life.name,
      driver: livingDriver(options),
      // Most of what it would log is what is tested here.
      logger: silentLogger,
      properties: { "session.timeout.ms": SESSION_TIMEOUT_MS, "partition.assignment.strategy": options.assignor },
    },
    input: INPUT,
    output: OUTPUT,
    clock,
    sleep: (ms) => heard(sleep(ms)),
    get bounds() {
      life.isBound = true;
      return options.bounds;
    },
    random: () => random.next(),
    effect: (id) => heard(effect(id)),
  };
};
