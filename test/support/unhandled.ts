import { settle } from "@millrace/streams-testkit";

/** The rejections nobody has heard of by some turns after `block`. */
export const unhandledRejections = async (block: () => Promise<void>): Promise<readonly unknown[]> => {
  const listeners = process.listeners("unhandledRejection");
  const unheard: unknown[] = [];
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => unheard.push(error));
  try {
    await block();
    await settle();
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
  return unheard;
};
