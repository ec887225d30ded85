import { DONE, isFailure, type Pull, type Pulled, WAIT } from "../../engine/pull.js";
import type { Stage } from "../../engine/stage.js";
import type { Logger } from "../../logger.js";

export interface LogOptions<in A> {
  readonly logger?: Logger;
  /** What of an element is logged; default: the element. */
  readonly extract?: (element: A) => unknown;
}

export const log = <A>(name: string, logger: Logger, extract: (element: A) => unknown): Stage<A, A> => ({
  name: "log",
  create: (upstream): Pull<A> => ({
    pull(wake) {
      let pulled: Pulled<A>;
      try {
        pulled = upstream.pull(wake);
      } catch (error) {
        logger.error(`${name}: failed`, { error });
        throw error;
      }
      if (pulled === DONE) logger.debug(`${name}: completed`);
      else if (pulled !== WAIT) for (const element of pulled) logger.debug(name, { element: extract(element) });
      return pulled;
    },
    cancel(cause) {
      logger.debug(`${name}: cancelled`, isFailure(cause) ? { cause } : undefined);
      upstream.cancel(cause);
    },
  }),
});
