import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What a node has stored of the last election it knows. */
interface Election {
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

/**
 * The node that leads the quorum of controllers, by what the nodes keep beside their data: clients do not learn it, as
 * brokers name any of themselves. Undefined where none is elected yet.
 */
export async function quorumLeader(dataDirectories: readonly string[]): Promise<number | undefined> {
  const known = await Promise.all(dataDirectories.map(lastElection));
  let newest: Election | undefined;
  for (const election of known) {
    if (election && election.leaderEpoch > (newest?.leaderEpoch ?? -1)) newest = election;
    // In one epoch some know the leader before others do.
    else if (election && election.leaderEpoch === newest?.leaderEpoch && newest.leaderId < 0) newest = election;
  }
  return newest !== undefined && newest.leaderId >= 0 ? newest.leaderId : undefined;
}

async function lastElection(directory: string): Promise<Election | undefined> {
  try {
    const text = await readFile(join(directory, "__cluster_metadata-0", "quorum-state"), "utf8");
    const { leaderId, leaderEpoch } = JSON.parse(text) as Partial<Election>;
    return leaderId === undefined || leaderEpoch === undefined ? undefined : { leaderId, leaderEpoch };
  } catch {
    // It is not there before the first election.
    return undefined;
  }
}
