import type { TopicPartition } from "@millrace/kafka";
import { keyOf } from "./topics.js";

export interface AssignedMember {
  /** Members are served in the order of this. */
  readonly rank: string;
  readonly topics: readonly string[];
  /** What it held when it joined; only cooperative members keep anything. */
  readonly owned: readonly TopicPartition[];
}

/** Answers what each member gets, in the order of `members`, which are sorted by rank. */
export type Assign = (
  members: readonly AssignedMember[],
  partitionsOf: (topic: string) => readonly TopicPartition[],
) => TopicPartition[][];

const topicsOf = (members: readonly AssignedMember[]): string[] =>
  [...new Set(members.flatMap(({ topics }) => topics))].sort();

/** Each topic by itself, neighbouring partitions together; the first members get one more. */
const range: Assign = (members, partitionsOf) => {
  const assigned = members.map((): TopicPartition[] => []);
  for (const topic of topicsOf(members)) {
    const takers = members.flatMap((member, index) => (member.topics.includes(topic) ? [index] : []));
    const partitions = partitionsOf(topic);
    const share = Math.floor(partitions.length / takers.length);
    const more = partitions.length % takers.length;
    let from = 0;
    takers.forEach((index, place) => {
      const to = from + share + (place < more ? 1 : 0);
      assigned[index]?.push(...partitions.slice(from, to));
      from = to;
    });
  }
  return assigned;
};

/** All partitions in order, dealt out in turn to the members that read their topic. */
const roundRobin: Assign = (members, partitionsOf) => {
  const assigned = members.map((): TopicPartition[] => []);
  let next = 0;
  for (const topic of topicsOf(members)) {
    for (const partition of partitionsOf(topic)) {
      while (!members[next % members.length]?.topics.includes(topic)) next += 1;
      assigned[next % members.length]?.push(partition);
      next += 1;
    }
  }
  return assigned;
};

/** The member with the fewest partitions so far among those that read the topic. */
const leastLoaded = (
  members: readonly AssignedMember[],
  assigned: readonly (readonly TopicPartition[])[],
  topic: string,
): number => {
  let least = -1;
  members.forEach(({ topics }, index) => {
    if (!topics.includes(topic)) return;
    const load = assigned[index]?.length ?? 0;
    if (least === -1 || load < (assigned[least]?.length ?? 0)) least = index;
  });
  return least;
};

/** Every member keeps what it has up to its share; the rest goes to the member with the least. */
const shareOut = (
  members: readonly AssignedMember[],
  partitionsOf: (topic: string) => readonly TopicPartition[],
): { readonly assigned: TopicPartition[][]; readonly holder: ReadonlyMap<string, number> } => {
  const partitions = topicsOf(members).flatMap(partitionsOf);
  const existing = new Set(partitions.map(keyOf));
  const share = Math.floor(partitions.length / members.length);
  let more = partitions.length % members.length;
  const holder = new Map<string, number>();
  members.forEach(({ owned, topics }, index) => {
    for (const each of owned) {
      if (existing.has(keyOf(each)) && topics.includes(each.topic) && !holder.has(keyOf(each)))
        holder.set(keyOf(each), index);
    }
  });
  const assigned = members.map(({ owned }, index) => {
    const held = owned.filter((each) => holder.get(keyOf(each)) === index);
    const extra = held.length > share && more > 0;
    if (extra) more -= 1;
    return held.slice(0, share + (extra ? 1 : 0));
  });
  const kept = new Set(assigned.flat().map(keyOf));
  for (const partition of partitions) {
    if (!kept.has(keyOf(partition))) assigned[leastLoaded(members, assigned, partition.topic)]?.push(partition);
  }
  return { assigned, holder };
};

/** What another member still holds is not given out yet: its holder gives it up, joins again, and then it is free. */
const cooperativeSticky: Assign = (members, partitionsOf) => {
  const { assigned, holder } = shareOut(members, partitionsOf);
  return assigned.map((mine, index) => mine.filter((each) => (holder.get(keyOf(each)) ?? index) === index));
};

export interface Assignor {
  readonly name: string;
  readonly cooperative: boolean;
  readonly assign: Assign;
}

const ASSIGNORS: readonly Assignor[] = [
  { name: "range", cooperative: false, assign: range },
  { name: "roundrobin", cooperative: false, assign: roundRobin },
  { name: "cooperative-sticky", cooperative: true, assign: cooperativeSticky },
];

/** The known ones of `partition.assignment.strategy`, the preferred first. */
export const assignorsOf = (strategies: string): readonly Assignor[] =>
  strategies.split(",").flatMap((name) => ASSIGNORS.find((each) => each.name === name.trim()) ?? []);

/** Of the assignors that all members have, the one which most of them prefer. */
export const electedAssignor = (members: readonly (readonly Assignor[])[]): Assignor | undefined => {
  const shared = (members[0] ?? []).filter((each) => members.every((assignors) => assignors.includes(each)));
  const votes = (candidate: Assignor): number =>
    members.filter((assignors) => assignors.find((each) => shared.includes(each)) === candidate).length;
  return [...shared].sort((a, b) => votes(b) - votes(a))[0];
};

const REMOTE_ASSIGNORS: ReadonlyMap<string, Assign> = new Map([
  ["uniform", (members, partitionsOf) => shareOut(members, partitionsOf).assigned],
  ["range", range],
]);

/** The broker's assignor of that name, for groups that it assigns by itself. */
export const remoteAssignorOf = (name: string): Assign | undefined => REMOTE_ASSIGNORS.get(name);
