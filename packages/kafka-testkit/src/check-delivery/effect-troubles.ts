import type { Random } from "../simulated/random.js";

/** Some of the next effects of a kind fail. */
interface Failing {
  readonly calls: number;
  /** After it began. */
  readonly withinMs: number;
  /** Whether those that begin later fail sooner; otherwise in any order. */
  readonly lastFirst: boolean;
  left: number;
}

/** Of those among which some fail. */
const FAILING_RATE = 0.5;
/** How long the others among them take at most. */
const QUICK_MS = 20;

/** The troubles of each kind of effect: how much longer it takes, and among how many of the next ones some fail. */
export class EffectTroubles {
  readonly #random: Random;
  readonly #note: (text: string) => void;
  readonly #extraMs = new Map<number, number>();
  readonly #failing = new Map<number, Failing>();

  constructor(random: Random, note: (text: string) => void) {
    this.#random = random;
    this.#note = note;
  }

  /** One kind of effect, so that one of several branches is slow, and the others are not. */
  slow(kinds: number): void {
    this.#slow(this.#random.int(0, kinds - 1), this.#random.int(100, 3000));
  }

  /** Of one kind of effect, so that one of several stages or branches fails. */
  fail(kinds: number): void {
    const random = this.#random;
    const kind = random.int(0, kinds - 1);
    const calls = random.int(4, 12);
    const withinMs = random.int(20, 400);
    this.#failing.set(kind, { calls, withinMs, lastFirst: random.happens(0.5), left: calls });
    this.#note(`of the next ${calls} effects ${kind} of a record some fail`);
    // A stage behind them may be busy meanwhile, so that it asks for what is left once all have ended.
    if (kinds > 1) this.#slow((kind + 1) % kinds, random.int(withinMs, 3 * withinMs));
  }

  extraMs(kind: number): number {
    return this.#extraMs.get(kind) ?? 0;
  }

  /** The course of this one, if it is among those of which some fail; asked once for each. The first succeeds. */
  courseOf(kind: number, random: Random): { readonly ms: number; readonly fails: boolean } | undefined {
    const failing = this.#failing.get(kind);
    if (!failing || failing.left === 0) return undefined;
    const { calls, withinMs, lastFirst } = failing;
    const share = failing.left / calls;
    failing.left -= 1;
    if (share === 1 || !random.happens(FAILING_RATE)) return { fails: false, ms: random.int(0, QUICK_MS) };
    return { fails: true, ms: QUICK_MS + (lastFirst ? withinMs * share : random.int(0, withinMs)) };
  }

  #slow(kind: number, ms: number): void {
    this.#extraMs.set(kind, ms);
    this.#note(`effects ${kind} of each record take ${ms} ms longer`);
  }
}
