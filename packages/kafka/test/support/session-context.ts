import { virtualClock } from "@millrace/streams-testkit";
import type { SessionContext } from "../../src/consumer/rebalancing/session-context.js";
import { silentLogger } from "../../src/logging/silent-logger.js";

/** As much of each as the part under test asks for. */
export type PartsOfContext = { readonly [Part in keyof SessionContext]?: Partial<SessionContext[Part]> };

/** A context of doubles, for a part of a session that is tested by itself. */
export const sessionContext = (parts: PartsOfContext): SessionContext =>
  ({
    settings: { groupId: "g", handlers: {} },
    clock: virtualClock(),
    logger: silentLogger,
    ...parts,
  }) as SessionContext;
