/** Where the payload says which record it is, a sum of that, and when it was sent. */
const CHECK_AT = 4;
const SENT_AT = 8;
const FILL = 0x2e;

const checkOf = (index: number): number => (Math.imul(index, 0x9e37_79b1) ^ (index >>> 15)) >>> 0;

/** Milliseconds of a clock that all processes of this machine share. */
export const sharedClockMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** The value of record `index`: `size` bytes, 16 of them its own. */
export const valueOf = (index: number, size: number, sentMs = 0): Buffer => {
  const value = Buffer.alloc(size, FILL);
  value.writeUInt32LE(index, 0);
  value.writeUInt32LE(checkOf(index), CHECK_AT);
  value.writeDoubleLE(sentMs, SENT_AT);
  return value;
};

const KEYS: readonly Buffer[] = Array.from({ length: 1000 }, (_, index) => Buffer.from(`customer-${index}`));

export const keyOf = (index: number): Buffer => KEYS[(index * 7919) % KEYS.length] as Buffer;

export const sentMsOf = (value: Buffer): number => value.readDoubleLE(SENT_AT);

export const indexOf = (value: Buffer): number => value.readUInt32LE(0);

/** Counts records by what stands in them, so that none is missing, damaged or there twice. */
export class Tally {
  readonly #size: number;
  readonly #seen: Uint8Array;
  #distinct = 0;
  #repeated = 0;

  constructor(records: number, size: number) {
    this.#size = size;
    this.#seen = new Uint8Array(records);
  }

  add(value: Buffer): void {
    const index = value.readUInt32LE(0);
    if (value.length !== this.#size || value.readUInt32LE(CHECK_AT) !== checkOf(index) || value.at(-1) !== FILL) {
      throw new Error(`record ${index} is damaged: ${value.length} bytes`);
    }
    if (this.#seen[index] === 0) {
      this.#seen[index] = 1;
      this.#distinct += 1;
    } else if (this.#seen[index] === undefined) throw new Error(`record ${index} was never sent`);
    else this.#repeated += 1;
  }

  get distinct(): number {
    return this.#distinct;
  }

  /** Throws unless every record came, and none again. */
  close(where: string): void {
    const missing = this.#seen.length - this.#distinct;
    if (missing + this.#repeated === 0) return;
    throw new Error(`${where}: ${missing} of ${this.#seen.length} records are missing, ${this.#repeated} came again`);
  }
}
