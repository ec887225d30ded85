/** With more than this part of its letters changed a name is another one; two letters may always be. */
const NEAR = 1 / 3;
const LETTERS = 2;

/** Letters to add, remove, change or swap with their neighbour to make one of the other. */
const distance = (a: string, b: string): number => {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] as number) + 1 : change;
      next.push(Math.min(change, swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
};

/** The known name that is most like it; none where none is near. */
export const nearestName = (name: string, known: Iterable<string>): string | undefined => {
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const each of known) {
    // Not computed for what is far too long, which may be no name at all.
    const most = Math.max(LETTERS, name.length * NEAR);
    if (Math.abs(name.length - each.length) > most) continue;
    const far = distance(name.toLowerCase(), each.toLowerCase());
    if (far <= most && far < each.length && far < (best?.distance ?? Number.POSITIVE_INFINITY)) {
      best = { name: each, distance: far };
    }
  }
  return best?.name;
};

/** Instead of a name that is like none: somebody may have put a secret where a name belongs. */
export const unlikeName = (name: string): string =>
  `a name of ${name.length} characters that is like none and is not repeated, for it may be a secret`;
