import { createRequire } from "node:module";

type Call = (this: unknown, ...args: readonly unknown[]) => unknown;

interface NativeClass {
  readonly prototype: Record<string, unknown>;
}

/** The longest call of each name into node-rdkafka's native clients, in milliseconds: how long each held the event loop. */
export class NativeCalls {
  readonly #longest = new Map<string, number>();

  /** Before any client is made. */
  watch(): void {
    const native = createRequire(import.meta.url)("node-rdkafka/librdkafka.js") as Record<string, NativeClass>;
    for (const name of ["KafkaConsumer", "Producer"]) {
      const { prototype } = native[name] as NativeClass;
      for (const call of Object.getOwnPropertyNames(prototype)) {
        const original = Object.getOwnPropertyDescriptor(prototype, call)?.value as unknown;
        if (typeof original === "function" && call !== "constructor")
          prototype[call] = this.#timed(call, original as Call);
      }
    }
  }

  clear(): void {
    this.#longest.clear();
  }

  get longest(): readonly [name: string, ms: number] | undefined {
    return [...this.#longest].sort(([, a], [, b]) => b - a)[0];
  }

  #timed(name: string, original: Call): Call {
    const longest = this.#longest;
    return function (...args) {
      const start = performance.now();
      try {
        return original.call(this, ...args);
      } finally {
        const ms = performance.now() - start;
        if (ms > (longest.get(name) ?? 0)) longest.set(name, ms);
      }
    };
  }
}
