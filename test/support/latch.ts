/** A promise settled from outside. */
export class Latch<A = void> {
  open: (value: A) => void = () => undefined;
  fail: (error: unknown) => void = () => undefined;
  readonly opened: Promise<A> = new Promise<A>((resolve, reject) => {
    this.open = resolve;
    this.fail = reject;
  });
}
