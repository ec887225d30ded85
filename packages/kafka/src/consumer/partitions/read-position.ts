import type { StartPosition } from "../../client/port.js";

/** Where a partition is read under one assignment, whatever of it has been delivered. */
export class ReadPosition {
  /** Where it was made to begin, before anything is read; `undefined` where only the client knows. */
  #start: StartPosition["offset"] | undefined;
  /** One after the last offset that was read. */
  #next: number | undefined;
  #first: number | undefined;
  #end = 0;
  #stopped = false;

  beginAt(start: StartPosition["offset"] | undefined): void {
    this.#start = start;
  }

  /** Everything up to and including that offset was read. */
  through(offset: number): void {
    this.#next = offset + 1;
  }

  /** It was read, and is to be delivered or not. */
  saw(offset: number): void {
    this.#first ??= offset;
  }

  /**
   * Everything below was read: above the last record read the broker has only hidden ones there, markers of
   * transactions or aborted records.
   */
  reachEnd(offset: number): void {
    if (!this.#stopped) this.#end = offset;
    this.#next = Math.max(this.#next ?? 0, offset);
  }

  /** Nothing read from now on is delivered; with `lost`, neither is some of what was read before. */
  stop(lost: boolean): void {
    this.#stopped = true;
    if (lost) this.#end = 0;
  }

  /** The offset that was read first. */
  get first(): number | undefined {
    return this.#first;
  }

  /** The next offset to come, as far as it is known. */
  get next(): number | undefined {
    const { from } = this;
    return typeof from === "number" ? from : undefined;
  }

  /** Where to assign it again so that nothing is missed or repeated; `undefined`: as the client would by itself. */
  get from(): StartPosition["offset"] | undefined {
    return this.#next ?? this.#start;
  }

  get hasBegun(): boolean {
    return this.#next !== undefined;
  }

  /** The last end met behind offsets without a record; it can be committed once everything read is finished. */
  get end(): number {
    return this.#end;
  }
}
