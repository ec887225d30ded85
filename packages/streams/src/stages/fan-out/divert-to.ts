import type { Fork } from "../../model/stage.js";
import { routing } from "./partition.js";

/** Branch 0 goes on, branch 1 is the sink; ends with the first of them that ends. */
export const divertTo = <A>(when: (element: A) => boolean): Fork<A, A> =>
  routing({ name: "divertTo", choose: (element) => (when(element) ? 1 : 0), eagerCancel: true });
