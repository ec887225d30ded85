import type { LocalBroker } from "@millrace/kafka-testkit";
import type { Fleet } from "./fleet.js";
import type { Interval } from "./life.js";
import type { Fault, FaultKind } from "./plan.js";

/** More than the client's own limit of 30 s for closing, so that it can say what it waited for. */
const DRAIN_DEADLINE_MS = 40_000;
const ROLLING_WAIT_MS = 10_000;

export interface ChaosOptions {
  readonly fleet: Fleet;
  readonly broker: LocalBroker | undefined;
  readonly say: (text: string) => void;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Carries out a plan, each fault at its time, whether the one before it has ended or not. */
export class Chaos {
  readonly #options: ChaosOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #brokerFaults: { from: number; until: number }[] = [];
  #ending = false;
  readonly counts = new Map<FaultKind, number>();
  /** Faults whose process was just then not there. */
  missed = 0;

  constructor(options: ChaosOptions) {
    this.#options = options;
  }

  /** When the broker was away, or not itself. */
  get brokerFaults(): readonly Interval[] {
    return this.#brokerFaults;
  }

  begin(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.#timers.push(
        setTimeout(() => {
          const work = this.#do(fault)
            .catch((error: unknown) => this.#options.say(`${fault.kind} could not be done: ${String(error)}`))
            .finally(() => this.#underWay.delete(work));
          this.#underWay.add(work);
        }, fault.atMs),
      );
    }
  }

  /** Begins no more faults, and waits for those under way. */
  async end(): Promise<void> {
    this.#ending = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#underWay);
  }

  async #do(fault: Fault): Promise<void> {
    const done = await this.#disturb(fault);
    if (!done) this.missed += 1;
    else this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
  }

  async #disturb(fault: Fault): Promise<boolean> {
    const { fleet, say } = this.#options;
    switch (fault.kind) {
      case "kill": {
        const done = await fleet.kill(fault.slot);
        if (done) say(`SIGKILL to process ${fault.slot}, back in ${seconds(fault.downMs)}`);
        if (done) fleet.startIn(fault.slot, fault.downMs);
        return done;
      }
      case "stall":
        say(`SIGSTOP to process ${fault.slot} for ${seconds(fault.stallMs)}`);
        return fleet.stall(fault.slot, fault.stallMs);
      case "drain":
        return this.#drain(fault.slot, fault.downMs);
      case "rolling":
        say("rolling restart of all processes");
        // The next one only when this one's successor works: that is what makes it rolling.
        for (const { slot } of fleet.living) if (await this.#drain(slot, 0)) await this.#works(slot);
        return true;
      case "blackout": {
        say(`SIGKILL to all processes, back in ${seconds(fault.downMs)}`);
        const slots = fleet.living.map(({ slot }) => slot);
        const killed = await Promise.all(slots.map((slot) => fleet.kill(slot)));
        slots.filter((_, index) => killed[index]).forEach((slot) => fleet.startIn(slot, fault.downMs));
        return true;
      }
      default:
        return this.#disturbBroker(fault);
    }
  }

  async #drain(slot: number, downMs: number): Promise<boolean> {
    const { fleet, say } = this.#options;
    const began = Date.now();
    const life = await fleet.drain(slot, DRAIN_DEADLINE_MS);
    if (life === undefined) return false;
    say(
      `SIGTERM to process ${slot}: ${life.ended?.how ?? "?"} in ${seconds(Date.now() - began)}, back in ${seconds(downMs)}`,
    );
    fleet.startIn(slot, downMs);
    return true;
  }

  /** Resolves when the slot's process has got something, or after a while without. */
  async #works(slot: number): Promise<void> {
    const deadline = Date.now() + ROLLING_WAIT_MS;
    const works = (): boolean => this.#options.fleet.living.some((life) => life.slot === slot && life.delivered > 0);
    while (!this.#ending && !works() && Date.now() < deadline) await wait(100);
  }

  async #disturbBroker(fault: Extract<Fault, { kind: `broker-${string}` }>): Promise<boolean> {
    const { broker, say } = this.#options;
    if (broker === undefined) return false;
    const interval = { from: Date.now(), until: Infinity };
    this.#brokerFaults.push(interval);
    if (fault.kind === "broker-restart") {
      say("restart of the broker");
      await broker.restart();
    } else if (fault.kind === "broker-kill") {
      say(`SIGKILL to the broker, back in ${seconds(fault.downMs)}`);
      await broker.kill();
      await wait(fault.downMs);
      await broker.start();
    } else {
      say(`SIGSTOP to the broker for ${seconds(fault.downMs)}`);
      await broker.pause();
      await wait(fault.downMs);
      await broker.resume();
    }
    interval.until = Date.now();
    say(`the broker is back after ${seconds(interval.until - interval.from)}`);
    return true;
  }
}

/** Drains every process, all at the same time, as the last act. */
export const drainAll = async (fleet: Fleet): Promise<void> => {
  await Promise.all(fleet.living.map(({ slot }) => fleet.drain(slot, DRAIN_DEADLINE_MS)));
};
