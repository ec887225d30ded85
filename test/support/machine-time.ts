/** The machine's clock, as it was before any test. */
const real = Object.getOwnPropertyDescriptor(performance, "now");

/** Gives the machine's clock back: also after a test that ran out of time, and still holds it. */
export const restoreTime = (): void => {
  if (real) Object.defineProperty(performance, "now", real);
  else Reflect.deleteProperty(performance, "now");
};
