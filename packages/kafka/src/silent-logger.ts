import type { Logger } from "@millrace/streams";

const nothing = (): void => undefined;

/** Says nothing: the default of a library. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
