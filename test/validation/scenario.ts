import type { Lab } from "./lab.js";

/**
 * A script that must show the same on a real broker and on the simulated one. `run` answers what it observed, in a shape
 * that does not depend on how long things took.
 */
export interface Scenario {
  readonly name: string;
  readonly run: (lab: Lab) => Promise<unknown>;
  readonly expected: unknown;
  /** Stops the brokers, which others may not share then. */
  readonly alone?: true;
  /** Where the driver does not keep what the port promises, and the simulation does: what a broker shows instead. */
  readonly onBroker?: { readonly expected: unknown; readonly because: string };
}
