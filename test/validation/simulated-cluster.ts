import type { SimulatedKafkaOptions } from "@millrace/kafka-testkit";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { VirtualClock } from "@millrace/streams-testkit";
import type { Cluster, OtherProcess, OtherProcessOptions } from "./cluster.js";
import { Lab } from "./lab.js";

/** Longer than any scenario takes; one that waits for what never comes must fail. */
const LIMIT_MS = 300_000;
const STEP_MS = 10;
/** As long as a broker takes to restart. */
const OUTAGE_MS = 8000;

class SimulatedCluster implements Cluster {
  readonly driver: SimulatedKafka["driver"];
  readonly properties = {};
  readonly #kafka: SimulatedKafka;
  readonly #clock: VirtualClock;
  readonly #partitions = new Map<string, number>();

  constructor(options: Pick<SimulatedKafkaOptions, "seed">, clock: VirtualClock) {
    this.#clock = clock;
    this.#kafka = new SimulatedKafka({ ...options, clock });
    this.driver = this.#kafka.driver;
  }

  now(): number {
    return this.#clock.now();
  }

  pass(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.schedule(ms, resolve));
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    this.#kafka.createTopic(topic, partitions);
    this.#partitions.set(topic, partitions);
    return Promise.resolve();
  }

  grow(topic: string, partitions: number): Promise<void> {
    this.#kafka.addPartitions(topic, partitions - (this.#partitions.get(topic) ?? 0));
    this.#partitions.set(topic, partitions);
    return Promise.resolve();
  }

  async outage(meanwhile: () => Promise<void>): Promise<void> {
    this.#kafka.outage(OUTAGE_MS);
    const end = this.pass(OUTAGE_MS);
    await meanwhile();
    await end;
  }

  async spawn({ topic, properties }: OtherProcessOptions): Promise<OtherProcess> {
    const lab = new Lab(this, topic.slice(0, -1));
    const member = await lab.member(String(properties["client.id"]), { ...properties, "group.id": "g" });
    member.start(lab.topics("t"));
    const held = (): readonly string[] => [...member.owned].sort();
    return {
      get held() {
        return held();
      },
      kill: () => {
        this.#kafka.kill(String(properties["client.id"]));
        void member.close();
      },
    };
  }
}

/** Runs a scenario on a simulated cluster, while virtual time passes by itself. */
export async function inSimulation<T>(seed: number, scenario: (lab: Lab) => Promise<T>): Promise<T> {
  const clock = new VirtualClock();
  const lab = new Lab(new SimulatedCluster({ seed }, clock), "s-");
  let running = true;
  const stop = (): void => {
    running = false;
  };
  // What is observed goes on while its clients close.
  const result = scenario(lab).then((observed) => structuredClone(observed));
  const closed = result.then(
    () => lab.close(),
    () => lab.close(),
  );
  closed.then(stop, stop);
  while (running) {
    if (clock.now() > LIMIT_MS) throw new Error(`The scenario did not end within ${LIMIT_MS} simulated ms.`);
    await clock.advance(STEP_MS);
  }
  return result;
}
