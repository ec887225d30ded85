/**
 * A process may hold several copies of this package, for instance one that a package of reusable flows brings along.
 * Their parts meet in one graph, so what is compared or must exist once goes through the global symbol registry.
 */
export interface Copy {
  /** Version of what copies share: blueprints, stages, runs, pulls, claims. Raised when one of these changes. */
  readonly protocol: number;
  /** A file of the copy. */
  readonly url: string;
}

const PROTOCOL = 2;

/** This copy of the package. */
export const COPY: Copy = Object.freeze({
  protocol: PROTOCOL,
  url: (import.meta as { readonly url?: string }).url ?? "an unknown place",
});

const registry = globalThis as unknown as Record<symbol, unknown>;

/** Shared by all copies in this process; the first of them calls `create`. */
export const oncePerProcess = <T>(name: string, create: () => T): T => {
  const key = Symbol.for(`millrace.${PROTOCOL}.${name}`);
  return (registry[key] ??= create()) as T;
};

const isInstance = Function.prototype[Symbol.hasInstance];

/** For a class's static block: `instanceof` also accepts instances of the same class from another copy. */
export const acrossCopies = (type: { readonly prototype: object }, name: string): void => {
  const brand = Symbol.for(`millrace.${name}`);
  Object.defineProperty(type.prototype, brand, { value: true });
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // A subclass that has no brand of its own inherits this function.
      if (this !== type) return isInstance.call(this as never, value);
      return typeof value === "object" && value !== null && brand in value;
    },
  });
};
