import type { Clock, Logger } from "@millrace/streams";
import type { RenewableClient } from "../../client/renewable-client.js";
import type { ParsedConsumer } from "../../settings/parse-consumer.js";
import type { Commits } from "../committing/commits.js";
import type { Assignment } from "../partitions/assignment.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { ReadLoop } from "../reading/read-loop.js";

/** What the parts of a session share. */
export interface SessionContext {
  readonly settings: ParsedConsumer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly life: SessionLife;
  readonly client: RenewableClient;
  readonly assignment: Assignment;
  readonly reading: ReadLoop;
  readonly commits: Commits;
}
