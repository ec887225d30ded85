import type { Headers, PartitionRun, RecordChunk } from "../port.js";
import { fromNativeHeaders } from "./headers.js";
import type { NativeMessage } from "./native.js";

/** A chunk over node-rdkafka's message array; its buffers are copies, so `release` only lets the array go. */
export class RdkafkaChunk implements RecordChunk {
  readonly length: number;
  #messages: readonly NativeMessage[];
  #runs: readonly PartitionRun[] | undefined;

  constructor(messages: readonly NativeMessage[]) {
    this.#messages = messages;
    this.length = messages.length;
  }

  topic(index: number): string {
    return this.#at(index).topic;
  }

  partition(index: number): number {
    return this.#at(index).partition;
  }

  offset(index: number): number {
    return this.#at(index).offset;
  }

  timestamp(index: number): number {
    return this.#at(index).timestamp ?? -1;
  }

  key(index: number): Buffer | null {
    return this.#at(index).key;
  }

  value(index: number): Buffer | null {
    return this.#at(index).value;
  }

  headers(index: number): Headers {
    return fromNativeHeaders(this.#at(index).headers);
  }

  runs(): readonly PartitionRun[] {
    this.#runs ??= findRuns(this.#messages);
    return this.#runs;
  }

  release(): void {
    this.#messages = [];
  }

  #at(index: number): NativeMessage {
    const message = this.#messages[index];
    if (message === undefined)
      throw new RangeError(`No record ${index}: the chunk has ${this.length}, or was released.`);
    return message;
  }
}

function findRuns(messages: readonly NativeMessage[]): PartitionRun[] {
  const runs: PartitionRun[] = [];
  let first = messages[0];
  if (first === undefined) return runs;
  let last = first;
  let from = 0;
  for (let index = 1; index < messages.length; index++) {
    const message = messages[index] as NativeMessage;
    // A client that was reset goes back within what one read returns.
    const goesOn =
      message.partition === first.partition && message.topic === first.topic && message.offset > last.offset;
    if (!goesOn) {
      runs.push({ topic: first.topic, partition: first.partition, from, to: index, lastOffset: last.offset });
      from = index;
      first = message;
    }
    last = message;
  }
  runs.push({ topic: first.topic, partition: first.partition, from, to: messages.length, lastOffset: last.offset });
  return runs;
}
