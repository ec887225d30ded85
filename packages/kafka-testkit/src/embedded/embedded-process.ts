/** Child process of an `EmbeddedKafka`: gets the number of brokers, answers their addresses, ends with its channel. */
import { once } from "node:events";
import { startMockCluster } from "../rdkafka.js";

export type EmbeddedProcessMessage = { readonly brokers: string } | { readonly error: string };

async function main(): Promise<void> {
  // Closed by `stop`, and by the operating system however the parent dies.
  process.once("disconnect", () => process.exit(0));
  const [{ brokers }] = (await once(process, "message")) as [{ readonly brokers: number }];
  try {
    const cluster = await startMockCluster(brokers);
    answer({ brokers: cluster.brokers.map(({ address }) => address).join(",") });
  } catch (error) {
    answer({ error: error instanceof Error ? error.message : String(error) });
  }
}

function answer(message: EmbeddedProcessMessage): void {
  // Without a channel there is no receiver, and "disconnect" ends the process.
  if (process.connected) process.send?.(message);
}

await main();
