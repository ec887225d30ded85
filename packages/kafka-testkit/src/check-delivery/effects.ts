import type { OutgoingRecord } from "@millrace/kafka";
import type { StoredRecord } from "../simulated/broker/log.js";
import type { DeliveryInput } from "./delivery-world.js";

/** How far one effect has come; an output record that was refused or lost may be sent again. */
export type EffectState =
  | "not begun"
  | "under way"
  | "failed"
  | "sent, and not acknowledged"
  | "done"
  | "not begun again";

interface Options {
  readonly expected: (input: DeliveryInput) => readonly string[];
  readonly effectOf: (record: StoredRecord) => string | undefined;
  /** What a reader of committed records finds in the output topic now. */
  readonly committedOutput: () => readonly StoredRecord[];
}

/** Which inputs there are, which effects they have to have, and which of them have happened. */
export class Effects {
  readonly #options: Options;
  readonly #inputs: DeliveryInput[] = [];
  readonly #expected = new Map<DeliveryInput, readonly string[]>();
  readonly #inputOf = new Map<string, DeliveryInput>();
  readonly #begun = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #sent = new Set<string>();
  readonly #acknowledged = new Set<string>();
  readonly #taken = new Map<string, number>();
  readonly #times = new Map<string, number>();
  /** Passed over on purpose. */
  readonly #skipped = new Set<DeliveryInput>();

  constructor(options: Options) {
    this.#options = options;
  }

  get inputs(): readonly DeliveryInput[] {
    return this.#inputs;
  }

  add(input: DeliveryInput): void {
    const expected = this.#options.expected(input);
    this.#inputs.push(input);
    this.#expected.set(input, expected);
    for (const id of expected) this.#inputOf.set(id, input);
  }

  expectedOf(input: DeliveryInput): readonly string[] {
    return this.#skipped.has(input) ? [] : (this.#expected.get(input) ?? []);
  }

  /** The offset after the last record of the partition. */
  endOf(partition: number): number {
    const last = this.#inputs.findLast((input) => input.partition === partition);
    return last ? last.offset + 1 : 0;
  }

  /** What is not done below the offset is no longer expected; answers what that is. */
  skip(partition: number, below: number): readonly DeliveryInput[] {
    const skipped = this.#inputs.filter(
      (input) => input.partition === partition && input.offset < below && this.undone(input).length > 0,
    );
    for (const input of skipped) this.#skipped.add(input);
    return skipped;
  }

  unskip(inputs: readonly DeliveryInput[]): void {
    for (const input of inputs) this.#skipped.delete(input);
  }

  /** How often it has happened, as the process can know it. */
  timesOf(id: string): number {
    return this.#times.get(id) ?? 0;
  }

  /** Which of the effects of its record it is, from 0. */
  kindOf(id: string): number {
    const input = this.#inputOf.get(id);
    return input ? (this.#expected.get(input) ?? []).indexOf(id) : 0;
  }

  /** How many effects a record has at most. */
  get kinds(): number {
    return Math.max(1, ...[...this.#expected.values()].map(({ length }) => length));
  }

  /** The record an effect is expected for. */
  inputOf(id: string): DeliveryInput | undefined {
    return this.#inputOf.get(id);
  }

  effectOf(record: StoredRecord): string | undefined {
    return this.#options.effectOf(record);
  }

  idOf({ topic, key, value, headers = [] }: OutgoingRecord): string | undefined {
    return this.#options.effectOf({ topic, key, value, headers, partition: -1, offset: -1, timestamp: -1 });
  }

  begin(id: string): void {
    this.#begun.add(id);
    this.#failed.delete(id);
  }

  fail(id: string): void {
    this.#failed.add(id);
  }

  take(id: string): void {
    this.#taken.set(id, (this.#taken.get(id) ?? 0) + 1);
    this.#times.set(id, this.timesOf(id) + 1);
  }

  send(id: string): void {
    this.#sent.add(id);
  }

  acknowledge(id: string): void {
    this.#acknowledged.add(id);
    this.#times.set(id, this.timesOf(id) + 1);
  }

  /** As the process can know it: an output record counts once it is acknowledged. */
  stateOf(id: string): EffectState {
    if (this.#taken.has(id) || this.#acknowledged.has(id)) return "done";
    if (this.#sent.has(id)) return "sent, and not acknowledged";
    if (this.#failed.has(id)) return "failed";
    return this.#begun.has(id) ? "under way" : "not begun";
  }

  undone(input: DeliveryInput): readonly string[] {
    return this.expectedOf(input).filter((id) => this.stateOf(id) !== "done");
  }

  /** How often each effect has happened, visible to everyone. */
  counts(guarantee: "at-least-once" | "exactly-once"): ReadonlyMap<string, number> {
    const counts = new Map(guarantee === "at-least-once" ? this.#taken : []);
    for (const record of this.#options.committedOutput()) {
      const id = this.#options.effectOf(record);
      if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }
}
