import type * as auditing from "../../../packages/kafka/src/ledger/auditor.js";
import type * as keeping from "../../../packages/kafka/src/ledger/partition-ledger.js";
import { BinaryHeap } from "./binary-heap.js";
import { SkipList } from "./skip-list.js";

/** Whatever can tell the lowest offset that is open. */
export interface Tracker {
  /** Answers what `end` wants to be given. */
  open(offset: number, now: number): number;
  end(handle: number): void;
  watermark(): number;
}

/** The ledger and the auditor are no part of the package's surface; their types come from the sources, they from the build. */
const built = async <A>(file: string): Promise<A> =>
  (await import(new URL(`../../../packages/kafka/dist/ledger/${file}.js`, import.meta.url).href)) as A;

/** The work of the measuring itself. */
const nothing = (): Tracker => {
  let last = 0;
  return {
    open: (offset) => (last = offset),
    end: () => {},
    watermark: () => last,
  };
};

const ledger = async (): Promise<Tracker> => {
  const { PartitionLedger } = await built<typeof keeping>("partition-ledger");
  const ledger = new PartitionLedger();
  return {
    open: (offset, now) => ledger.open(offset, now),
    end: (sequence) => {
      ledger.end(sequence, "processed");
    },
    watermark: () => ledger.watermark ?? 0,
  };
};

/** The auditor answers no watermark: it is asked whether the lowest of all commits would be right. */
const auditor = async (how: "ended" | "endedThrough"): Promise<Tracker> => {
  const { Auditor } = await built<typeof auditing>("auditor");
  const auditor = new Auditor();
  const trail = auditor.assigned("topic", 0, 1);
  const lowest = [{ topic: "topic", partition: 0, epoch: 1, position: 0 }];
  return {
    open: (offset) => {
      trail.delivered(offset);
      return offset;
    },
    end:
      how === "ended"
        ? (offset) => {
            trail.ended(offset);
          }
        : (offset) => {
            trail.endedThrough(offset);
          },
    watermark: () => {
      auditor.check(lowest);
      return 0;
    },
  };
};

/** Sets iterate in the order of insertion, so the first of the open offsets is the lowest. */
const insertionOrderedSet = (): Tracker => {
  const open = new Set<number>();
  let last = -1;
  return {
    open: (offset) => {
      open.add(offset);
      return (last = offset);
    },
    end: (offset) => {
      open.delete(offset);
    },
    watermark: () => open.values().next().value ?? last + 1,
  };
};

const binaryHeap = (): Tracker => {
  const heap = new BinaryHeap();
  const ended = new Set<number>();
  let last = -1;
  return {
    open: (offset) => {
      heap.push(offset);
      return (last = offset);
    },
    end: (offset) => {
      ended.add(offset);
      while (heap.least !== undefined && ended.delete(heap.least)) heap.pop();
    },
    watermark: () => heap.least ?? last + 1,
  };
};

const skipList = (): Tracker => {
  const list = new SkipList();
  let last = -1;
  return {
    open: (offset) => {
      list.append(offset);
      return (last = offset);
    },
    end: (offset) => {
      list.remove(offset);
    },
    watermark: () => list.least ?? last + 1,
  };
};

export const subjects: Readonly<Record<string, () => Tracker | Promise<Tracker>>> = {
  nothing,
  ledger,
  "insertion-ordered set": insertionOrderedSet,
  "binary heap": binaryHeap,
  "skip list": skipList,
  auditor: () => auditor("ended"),
  "auditor, through": () => auditor("endedThrough"),
};

/** Those that keep a watermark, and so must agree on it. */
export const peers: readonly string[] = ["insertion-ordered set", "binary heap", "skip list"];

/** Ends all records before one too, which is right in delivery order only. */
export const inOrderOnly: readonly string[] = ["auditor, through"];
