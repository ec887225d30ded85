import { KafkaConnectorError } from "@millrace/kafka";

/** What a life reports to its run. */
export interface LifeListener {
  /** Something happened at which the process could have died, and may do so now. */
  onStep(life: Life, text: string): void;
  onEnded(life: Life): void;
}

/** One life of a process: from its start to its end, or to its death, after which nothing it does counts. */
export class Life {
  /** Also its client id. */
  readonly name: string;
  /** Rejects when the process is killed. */
  readonly death: Promise<never>;
  /** The effects it has begun, or sent: what its death may repeat. */
  readonly touched: Set<string> = new Set();
  /** The effects that have neither happened nor failed, and what was sent and has no answer. */
  readonly underWay: Set<string> = new Set();
  /** Its sources have taken the bounds of the plan. */
  isBound = false;
  readonly #listener: LifeListener;
  readonly #onKilled: (() => void)[] = [];
  #reject: (error: Error) => void = () => undefined;
  #dead = false;
  #killed: KafkaConnectorError | undefined;
  #open = 0;
  #ended = false;

  constructor(name: string, listener: LifeListener) {
    this.name = name;
    this.#listener = listener;
    this.death = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.death.catch(() => undefined);
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Killed, or its consumers are closed. */
  get ended(): boolean {
    return this.#dead || this.#ended;
  }

  step(text: string): void {
    this.#listener.onStep(this, text);
  }

  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#reject(this.killed());
    for (const f of this.#onKilled.splice(0)) f();
  }

  onKilled(f: () => void): void {
    this.#onKilled.push(f);
  }

  /** The promise, which also rejects when the process dies. */
  alive<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.death]);
  }

  requireAlive(): void {
    if (this.#dead) throw this.killed();
  }

  /** The error that ends the remains of a dead process: always the same one, so it needs to be heard of only once. */
  killed(): KafkaConnectorError {
    const what = `${this.name} was killed by checkDelivery.`;
    return (this.#killed ??= new KafkaConnectorError("CLIENT_FAILED", what, { fatal: true }));
  }

  opened(): void {
    this.#open += 1;
  }

  closed(): void {
    this.#open -= 1;
    if (this.#open > 0 || this.ended) return;
    this.#ended = true;
    this.#listener.onEnded(this);
  }
}
