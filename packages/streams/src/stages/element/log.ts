import { elementStage } from "../../engine/element-stage.js";
import { DONE, isFailure, type Pull, type Pulled } from "../../model/pull.js";
import type { Stage } from "../../model/stage.js";
import { harmless, type Logger } from "../../logger.js";

export interface LogOptions<in A> {
  readonly logger?: Logger;
  /** What of an element is logged; default: the element. */
  readonly extract?: (element: A) => unknown;
}

export const log = <A>(name: string, given: Logger, extract: (element: A) => unknown): Stage<A, A> => {
  const logger = harmless(given);
  const elements = elementStage<A, A>("log", () => ({
    onElement(element, out) {
      logger.debug(name, { element: extract(element) });
      out.push(element);
    },
  }));
  return {
    name: "log",
    traits: { order: "kept", elements: "kept" },
    create(upstream, run): Pull<A> {
      const logged = elements.create(upstream, run);
      let ended = false;
      const end = (logEnd: () => void): void => {
        if (!ended) logEnd();
        ended = true;
      };
      return {
        pull(wake) {
          let pulled: Pulled<A>;
          try {
            pulled = logged.pull(wake);
          } catch (error) {
            end(() => logger.error(`${name}: failed`, { error }));
            throw error;
          }
          if (pulled === DONE) end(() => logger.debug(`${name}: completed`));
          return pulled;
        },
        cancel(cause) {
          end(() => logger.debug(`${name}: cancelled`, isFailure(cause) ? { cause } : undefined));
          logged.cancel(cause);
        },
      };
    },
  };
};
