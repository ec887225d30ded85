import type { Logger } from "@millrace/streams";
import { harmless } from "@millrace/streams/stage";
import { silentLogger } from "./silent-logger.js";

/** The user's logger, which may do anything, made so that nothing it does harms who logs; without one nothing is said. */
export const loggerOf = (given: Logger | undefined): Logger => (given ? harmless(given) : silentLogger);
