import { KafkaConnectorError, type KafkaErrorCode } from "../../errors/errors.js";
import type { ClientProperties, NewTopic, TopicAdmin } from "../port.js";
import { CLIENT_TIMEOUTS } from "./client-life.js";
import { codeOf, connectorError } from "./error-codes.js";
import { NativeCalls, startCall } from "./native-calls.js";
import type { NativeAdmin, NativeError } from "./native.js";
import { splitProperties } from "./split-properties.js";
import { CODE, TIMED_OUT } from "../codes.js";

const CODES: ReadonlyMap<number | undefined, KafkaErrorCode> = new Map([
  [CODE.missingTopic, "TOPIC_NOT_FOUND"],
  [CODE.topicExists, "TOPIC_EXISTS"],
]);

/** Its handle is made with the first call, and is of no group: what only consumers read is passed over in silence. */
export class RdkafkaTopicAdmin implements TopicAdmin {
  readonly #make: () => Promise<NativeAdmin>;
  readonly #renew: (native: NativeAdmin) => Promise<void>;
  readonly #calls: NativeCalls = new NativeCalls();
  #native: Promise<NativeAdmin> | undefined;
  #closing: Promise<void> | undefined;

  /** `renew` is called before each call but the first. */
  constructor(
    properties: ClientProperties,
    make: (client: ClientProperties) => NativeAdmin | Promise<NativeAdmin>,
    renew: (native: NativeAdmin) => Promise<void> = () => Promise.resolve(),
  ) {
    // It has no events, so its log would go to stderr.
    const client = { log_level: 0, ...splitProperties(properties).client };
    this.#make = async () => {
      try {
        return await make(client);
      } catch (error) {
        throw connectorError("INVALID_SETTINGS", "librdkafka refuses these properties", error, "Correct the property.");
      }
    };
    this.#renew = renew;
  }

  createTopic({ topic, partitions, replicationFactor, config }: NewTopic, timeoutMs: number): Promise<void> {
    const wanted = { topic, num_partitions: partitions, replication_factor: replicationFactor, config: { ...config } };
    return this.#call(`create topic ${topic}`, timeoutMs, (native, done) =>
      native.createTopic(wanted, timeoutMs, done),
    );
  }

  deleteTopic(topic: string, timeoutMs: number): Promise<void> {
    return this.#call(`delete topic ${topic}`, timeoutMs, (native, done) => native.deleteTopic(topic, timeoutMs, done));
  }

  growTopic(topic: string, partitions: number, timeoutMs: number): Promise<void> {
    return this.#call(`give topic ${topic} ${partitions} partitions`, timeoutMs, (native, done) =>
      native.createPartitions(topic, partitions, timeoutMs, done),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #call(
    what: string,
    timeoutMs: number,
    call: (native: NativeAdmin, done: (error: NativeError | null | undefined) => void) => void,
  ): Promise<void> {
    const native = await this.#open();
    const failure = `Could not ${what}`;
    const asking = startCall<void>(
      {
        timeoutMs,
        failed: (error) => connectorError(CODES.get(codeOf(error)) ?? "ADMIN_FAILED", failure, error),
        late: () =>
          new KafkaConnectorError(
            "ADMIN_FAILED",
            `${failure}: the client has not answered within ${timeoutMs} ms, and it may yet be done. Check that the brokers are up.`,
            TIMED_OUT,
          ),
      },
      (done) => {
        this.#requireOpen(what);
        call(native, (error) => done(error, undefined));
      },
    );
    return this.#calls.track(asking);
  }

  async #open(): Promise<NativeAdmin> {
    this.#requireOpen("begin");
    if (this.#native) {
      const native = await this.#native;
      await this.#renew(native);
      return native;
    }
    const making = this.#make();
    this.#native = making;
    // The next call may have a token again.
    making.catch(() => (this.#native = undefined));
    return making;
  }

  async #close(): Promise<void> {
    const native = await this.#native?.catch(() => undefined);
    if (!native) return;
    const idle = await this.#calls.settled(performance.now() + CLIENT_TIMEOUTS.closeMs);
    // A stuck call still uses what this would free.
    if (idle) native.disconnect();
    else void this.#calls.ended().then(() => native.disconnect());
  }

  #requireOpen(what: string): void {
    if (this.#closing === undefined) return;
    throw new KafkaConnectorError("CLIENT_CLOSED", `Cannot ${what}: the admin client is closed. Make a new one.`);
  }
}
