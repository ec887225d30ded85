import { COPY, type Copy } from "../copies.js";
import { StreamError } from "../errors.js";
import type { Blueprint } from "./blueprint.js";

/** A node of a version that had no protocol yet has no copy. */
const misfit = (copy: Copy | undefined): StreamError =>
  new StreamError(
    "INCOMPATIBLE_COPIES",
    `This graph is run by the copy of @millrace/streams at ${COPY.url} (protocol ${COPY.protocol}), and has a part made by ` +
      `the one at ${copy?.url ?? "an unknown place"} (protocol ${copy?.protocol ?? "unknown"}), which does not fit. Install one ` +
      "version: `npm ls @millrace/streams` shows who asks for which, and a package of flows should ask for it as a peer.",
  );

/** Refuses a node of a copy of this package that works in another way; asked before anything else of it is looked at. */
export const requireFit = ({ copy }: Blueprint): void => {
  if (copy !== COPY && copy?.protocol !== COPY.protocol) throw misfit(copy);
};
