import type { Headers } from "../client/port.js";

const DIGITS = /^-?\d{1,16}$/;

/** Signed, of 4 or 8 bytes, the highest first; `undefined` for any other length, and beyond what a number holds exactly. */
const integerOf = (bytes: Buffer): number | undefined => {
  if (bytes.length === 4) return bytes.readInt32BE();
  if (bytes.length !== 8) return undefined;
  const value = Number(bytes.readBigInt64BE());
  return Number.isSafeInteger(value) ? value : undefined;
};

const decimalOf = (bytes: Buffer): number | undefined => {
  const text = bytes.toString();
  const value = DIGITS.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(value) ? value : undefined;
};

/** The values of headers by name. Anybody may have written them: what is not as expected is `undefined`. */
export class HeaderValues {
  readonly #values = new Map<string, Buffer[]>();

  constructor(headers: Headers) {
    for (const [name, value] of headers) {
      if (value === null) continue;
      const known = this.#values.get(name);
      if (known) known.push(value);
      else this.#values.set(name, [value]);
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** All of that name, in the order of the headers. */
  texts(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).map((each) => each.toString());
  }

  /** As bytes of a number. */
  integers(name: string): readonly (number | undefined)[] {
    return (this.#values.get(name) ?? []).map(integerOf);
  }

  /** As text of a number. */
  decimals(name: string): readonly (number | undefined)[] {
    return (this.#values.get(name) ?? []).map(decimalOf);
  }
}
