import { host, nextTurn } from "./host.js";

/**
 * The time all streams of this process together may hold the event loop before they yield. One budget, because there is
 * one event loop: a loop that merely limited itself would still starve timers when many streams are hot.
 */
const BUDGET_MS = 2;

/** Elements between two looks at the clock (a look costs about 40 ns); starts at one, grows while elements are fast. */
const MAX_STRIDE = 1024;

let turnOpen = false;
let turnStart = 0;
let lastLook = 0;
let stride = 1;
let credit = 1;

const closeTurn = (): void => {
  turnOpen = false;
};

/** Counts `elements` of work done and tells whether the caller has to yield now (see `nextTurn`). */
export const budgetSpent = (elements: number): boolean => {
  if (!turnOpen) {
    turnOpen = true;
    turnStart = lastLook = host.performance.now();
    // Nothing is known yet of how slow elements are: with the stride of the last turn, 1024 slow ones would pass unseen.
    stride = credit = 1;
    nextTurn(closeTurn);
  }
  credit -= elements;
  if (credit > 0) return false;
  const now = host.performance.now();
  const took = now - lastLook;
  lastLook = now;
  if (took > BUDGET_MS / 4) stride = Math.max(1, stride >> 2);
  else if (took < BUDGET_MS / 16) stride = Math.min(MAX_STRIDE, stride << 1);
  const spent = now - turnStart > BUDGET_MS;
  credit = spent ? 0 : stride;
  return spent;
};
