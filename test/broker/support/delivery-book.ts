/** Why records of a partition could come again after a member had it. */
type Ending = "finished" | "out of time" | "lost" | "left abruptly" | "unexplained";

/** One assignment of one partition to one member. */
interface Stint {
  readonly member: string;
  readonly partition: number;
  /** Since when it has had something to deliver and has not. */
  idleSince: number;
  /** After the last record delivered. */
  next: number | undefined;
  committed: number;
  /** Delivered records on which somebody works. */
  inWork: number;
  takenAway: boolean;
  ending: Ending | undefined;
  /** What is known of it, where its ending is not explained. */
  refusal: string;
  state: string;
}

export interface BookOptions {
  readonly partitions: number;
  /** How long a revocation waits for records in work. */
  readonly revokeTimeoutMs: number;
  /** A member must deliver something of each of its partitions within this time, and so must a group. */
  readonly patienceMs: number;
  readonly now?: () => number;
}

/** Timers may fire a little early. */
const SLACK_MS = 20;
const EXAMPLES = 10;

/** One group's account of what was delivered to whom, worked on and committed; it objects to what must not happen. */
export class DeliveryBook {
  readonly #options: BookOptions;
  readonly #now: () => number;
  /** By partition and offset: how often the work on it ended, and in which stint it was delivered last. */
  readonly #ended: number[][];
  readonly #deliveredIn: Stint[][];
  /** By partition: the highest position whose commit was acknowledged, and below which all work was found to have ended. */
  readonly #committed: number[];
  readonly #verified: number[];
  /** By partition: since when nothing came of it though there was something. */
  readonly #idleSince: number[];
  readonly #stints = new Map<string, Stint>();
  readonly objections: string[] = [];
  /** Records delivered again, by why. */
  readonly repeated = new Map<Ending, number>();
  /** ClaimsEnded that waited for their whole time, and had still not committed everything. */
  timedOut = 0;
  delivered = 0;
  handOvers = 0;
  slowestHandOverMs = 0;
  slowestMemberMs = 0;

  constructor(options: BookOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    const each = <T>(make: () => T): T[] => Array.from({ length: options.partitions }, make);
    this.#ended = each(() => []);
    this.#deliveredIn = each(() => []);
    this.#committed = each(() => 0);
    this.#verified = each(() => 0);
    this.#idleSince = each(() => this.#now());
  }

  assigned(member: string, partitions: readonly number[]): void {
    for (const partition of partitions) {
      this.#stints.set(`${member}/${partition}`, {
        member,
        partition,
        idleSince: this.#now(),
        next: undefined,
        committed: 0,
        inWork: 0,
        takenAway: false,
        ending: undefined,
        refusal: "no commit was refused",
        state: "it still has it",
      });
    }
  }

  takenAway(member: string, partitions: readonly number[]): void {
    for (const stint of this.#of(member, partitions)) stint.takenAway = true;
  }

  /** `abruptly`: the member is being thrown out or has failed, so nothing is owed. */
  givenUp(
    member: string,
    partitions: readonly number[],
    how: "revoked" | "lost",
    afterMs: number,
    abruptly: boolean,
  ): void {
    const stints = this.#of(member, partitions);
    for (const stint of stints) {
      stint.takenAway = true;
      stint.ending ??= how === "lost" ? "lost" : this.#endingOf(stint, afterMs, abruptly);
    }
    if (stints.some(({ ending }) => ending === "out of time")) this.timedOut += 1;
  }

  /** The member's client is closed. */
  left(member: string, abruptly: boolean): void {
    for (const [key, stint] of this.#stints) {
      if (stint.member !== member) continue;
      stint.ending ??= this.#endingOf(stint, 0, abruptly);
      this.#stints.delete(key);
    }
  }

  /** The broker refused to commit. */
  refused(member: string, partitions: readonly number[], error: unknown): void {
    for (const stint of this.#of(member, partitions)) stint.refusal = `refused: ${String(error)}`;
  }

  #endingOf(stint: Stint, afterMs: number, abruptly: boolean): Ending {
    const { revokeTimeoutMs } = this.#options;
    const { next, committed, inWork, refusal } = stint;
    stint.state = `${inWork} in work, ${committed} of ${next} committed, given up after ${Math.round(afterMs)} ms; ${refusal}`;
    if (next === undefined || committed >= next) return "finished";
    if (abruptly) return "left abruptly";
    // Whether its own work has ended or not: carried offsets wait for those in front of them, of other partitions.
    return afterMs >= revokeTimeoutMs - SLACK_MS ? "out of time" : "unexplained";
  }

  /** A record has come to the member's handler; answers what to call when the work on it has ended. */
  deliver(member: string, partition: number, offset: number): () => void {
    const stint = this.#stints.get(`${member}/${partition}`);
    this.delivered += 1;
    const place = `${member} was given ${partition}@${offset}`;
    if (stint === undefined || stint.takenAway) this.#object(`${place}, which is not its own any more`);
    if (stint === undefined) return () => undefined;
    if (stint.next === undefined) this.#begin(stint, offset, place);
    else if (offset !== stint.next) this.#object(`${place} where ${stint.next} was expected`);
    const places = this.#deliveredIn[partition] ?? [];
    const before = places[offset];
    if (before !== undefined) this.#repeat(before, place);
    places[offset] = stint;
    stint.next = offset + 1;
    stint.inWork += 1;
    this.#worked(stint);
    return () => {
      stint.inWork -= 1;
      const ended = this.#ended[partition] ?? [];
      ended[offset] = (ended[offset] ?? 0) + 1;
    };
  }

  #begin(stint: Stint, offset: number, place: string): void {
    const { partition } = stint;
    const known = this.#deliveredIn[partition]?.length ?? 0;
    const committed = this.#committed[partition] ?? 0;
    if (offset > known) this.#object(`${place}, but ${known} was the next one that nobody had been given`);
    if (offset < committed) this.#object(`${place}, but ${committed} was committed`);
    if (known === 0) return;
    this.handOvers += 1;
    const tookMs = this.#now() - (this.#idleSince[partition] ?? 0);
    this.slowestHandOverMs = Math.max(this.slowestHandOverMs, tookMs);
  }

  #repeat({ ending, member, state }: Stint, place: string): void {
    const why = ending ?? "unexplained";
    this.repeated.set(why, (this.repeated.get(why) ?? 0) + 1);
    if (why === "finished") this.#object(`${place}, which ${member} had finished and committed`);
    if (why === "unexplained") this.#object(`${place}, which ${member} had not committed (${state})`);
  }

  #worked(stint: Stint): void {
    const now = this.#now();
    this.slowestMemberMs = Math.max(this.slowestMemberMs, now - stint.idleSince);
    stint.idleSince = now;
    this.#idleSince[stint.partition] = now;
  }

  committed(member: string, positions: readonly (readonly [partition: number, position: number])[]): void {
    for (const [partition, position] of positions) {
      const stint = this.#stints.get(`${member}/${partition}`);
      if (stint && position < stint.committed) {
        this.#object(`${member} committed ${position} of ${partition} after ${stint.committed}`);
      }
      if (stint) stint.committed = position;
      this.#committed[partition] = Math.max(this.#committed[partition] ?? 0, position);
      this.#verify(partition, position);
    }
  }

  #verify(partition: number, position: number): void {
    const ended = this.#ended[partition] ?? [];
    for (let offset = this.#verified[partition] ?? 0; offset < position; offset++) {
      if (ended[offset] === undefined) this.#object(`${position} of ${partition} is committed, and ${offset} not done`);
      this.#verified[partition] = offset + 1;
    }
  }

  /** Sees to it that nothing stands still while there is something to deliver; to be called several times a second. */
  look(ends: readonly number[]): void {
    const now = this.#now();
    const { patienceMs } = this.#options;
    for (const stint of this.#stints.values()) {
      const next = stint.next ?? this.#committed[stint.partition] ?? 0;
      if (stint.takenAway || next >= (ends[stint.partition] ?? 0)) stint.idleSince = now;
      if (now - stint.idleSince <= patienceMs) continue;
      this.#object(`${stint.member} was given nothing of ${stint.partition} for ${patienceMs} ms, from ${next} on`);
      stint.idleSince = now;
    }
    this.#idleSince.forEach((since, partition) => {
      const next = this.#deliveredIn[partition]?.length ?? 0;
      if (next >= (ends[partition] ?? 0)) this.#idleSince[partition] = now;
      else if (now - since > patienceMs) {
        this.#object(`nobody was given anything of ${partition} for ${patienceMs} ms, from ${next} on`);
        this.#idleSince[partition] = now;
      }
    });
  }

  /** Records below these ends whose work never ended. */
  missing(ends: readonly number[]): number {
    let missing = 0;
    ends.forEach((end, partition) => {
      for (let offset = 0; offset < end; offset++) if (this.#ended[partition]?.[offset] === undefined) missing += 1;
    });
    return missing;
  }

  #of(member: string, partitions: readonly number[]): readonly Stint[] {
    return partitions.flatMap((partition) => this.#stints.get(`${member}/${partition}`) ?? []);
  }

  #object(text: string): void {
    // One is enough to fail, and a broken law would give thousands.
    if (this.objections.length < EXAMPLES) this.objections.push(text);
  }
}
