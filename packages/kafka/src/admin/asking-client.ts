import type { ConsumerClient, TopicPartitionOffset } from "../client/port.js";
import { RepeatedErrors } from "../client/repeated-errors.js";
import { failedBy, KafkaConnectorError } from "../errors/errors.js";
import type { AskingOptions } from "../settings/asking-settings.js";
import type { Deadline } from "./deadline.js";

/** Where no group is named; nothing is committed for it. */
const NO_GROUP = "millrace-ungrouped";

/** How long a poll waits that only serves the answer to a commit. */
const SERVE_MS = 50;

/** A consumer client that reads nothing and joins no group: it asks, and commits for a group without members. */
export class AskingClient {
  readonly #client: ConsumerClient;
  readonly #groupId: string | undefined;
  readonly #errors: RepeatedErrors;
  #serving: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor({ driver, properties, logger, groupId }: AskingOptions) {
    this.#errors = new RepeatedErrors(logger, "kafka metadata: client error");
    this.#groupId = groupId;
    // Its statistics would pile up between calls, for only a poll serves them.
    const own = { "group.id": groupId ?? NO_GROUP, "statistics.interval.ms": 0 };
    this.#client = driver.consumer(
      { ...properties, ...own },
      {
        onAssign: () => undefined,
        onRevoke: () => undefined,
        onError: (error) => this.#errors.warn(error),
      },
    );
  }

  /** Connects; rejects with `CONNECT_FAILED`. */
  static async open(options: AskingOptions): Promise<AskingClient> {
    const asking = new AskingClient(options);
    await asking.#client.connect();
    return asking;
  }

  /** The client to ask; throws `CLIENT_CLOSED`. */
  get client(): Pick<ConsumerClient, "metadata" | "watermarks" | "committed" | "offsetsForTimes"> {
    if (this.#closing !== undefined) {
      throw new KafkaConnectorError("CLIENT_CLOSED", "The client is closed. Open another one.");
    }
    // The client reports events only inside a poll.
    void this.#serve(0);
    return this.#client;
  }

  /** Sets positions of the group; rejects with `GROUP_NOT_EMPTY` where it has members. */
  async commit(positions: readonly TopicPartitionOffset[], deadline: Deadline): Promise<void> {
    let answered = false;
    const committed = this.#client.commit(positions).finally(() => (answered = true));
    committed.catch(() => undefined);
    while (!answered) {
      deadline.left();
      await this.#serve(SERVE_MS);
    }
    try {
      await committed;
    } catch (error) {
      // Only members may commit.
      if (!(error instanceof KafkaConnectorError && failedBy(error, "rebalanced", "rebalancing"))) throw error;
      throw new KafkaConnectorError(
        "GROUP_NOT_EMPTY",
        `Group ${this.#groupId} has members, and only they may commit. Stop its consumers first.`,
        { retriable: true, cause: error, reason: error.reason, clientCode: error.clientCode },
      );
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#client.close();
    return this.#closing;
  }

  /** One poll at a time. */
  #serve(waitMs: number): Promise<void> {
    this.#serving ??= this.#client
      .poll({ maxRecords: 1, waitMs })
      .then(
        (chunk) => chunk?.release(),
        (error: unknown) => {
          if (this.#closing === undefined) this.#errors.warn(error);
        },
      )
      .finally(() => (this.#serving = undefined));
    return this.#serving;
  }
}
