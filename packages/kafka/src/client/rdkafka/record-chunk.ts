import type { Headers, PartitionRun, RecordChunk } from "../port.js";
import { runsOf } from "../runs-of.js";
import { fromNativeHeaders } from "./headers.js";
import type { NativeMessage } from "./native.js";

/** A chunk over node-rdkafka's message array; its buffers are copies, so `release` and `forget` only let the array go. */
export class RdkafkaChunk implements RecordChunk {
  readonly length: number;
  #messages: (NativeMessage | undefined)[];
  #runs: readonly PartitionRun[] | undefined;

  constructor(messages: NativeMessage[]) {
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

  bytes(index: number): number {
    return bytesOf(this.#at(index));
  }

  runs(): readonly PartitionRun[] {
    this.#runs ??= runsOf(this);
    return this.#runs;
  }

  forget(from: number, to: number): void {
    this.#messages.fill(undefined, from, to);
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

function bytesOf({ key, value, headers }: NativeMessage): number {
  const bytes = (key?.length ?? 0) + (value?.length ?? 0);
  return headers === undefined ? bytes : bytes + bytesOfHeaders(headers);
}

function bytesOfHeaders(headers: NonNullable<NativeMessage["headers"]>): number {
  let bytes = 0;
  for (const header of headers) {
    for (const [name, value] of Object.entries(header)) bytes += name.length + (value?.length ?? 0);
  }
  return bytes;
}
