import { expect } from "chai";
import { FetchedChunk } from "../../src/consumer/partitions/fetched-chunk.js";
import { FlowControl, type FlowLimits } from "../../src/consumer/reading/flow-control.js";
import { OwnedPartition } from "../../src/consumer/partitions/owned-partition.js";
import { Turns } from "../../src/consumer/reading/turns.js";
import type { TopicPartition } from "../../src/client/port.js";
import { AuditTrail } from "../../src/ledger/auditor.js";
import { partitionKey } from "../../src/client/partition-key.js";
import { FakeChunk } from "./fake-chunk.js";
import { unheard } from "./unheard.js";

/** A client that remembers pauses whoever owns the partitions, and refuses those that change nothing: each costs its prefetch. */
class PausedClient {
  readonly paused = new Set<string>();

  pause(partitions: readonly TopicPartition[]): void {
    expect(partitions, "a pause of nothing").not.to.deep.equal([]);
    for (const each of partitions) {
      expect(this.paused.has(partitionKey(each)), "a pause of what is paused").to.equal(false);
      this.paused.add(partitionKey(each));
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    expect(partitions, "a resumption of nothing").not.to.deep.equal([]);
    for (const each of partitions)
      expect(this.paused.delete(partitionKey(each)), "a resumption of what goes on").to.equal(true);
  }
}

interface Delivered {
  readonly sequence: number;
  readonly offset: number;
  readonly at: number;
  open: boolean;
}

/** What is known of a partition without asking it. */
class Model {
  readonly owned: OwnedPartition;
  next: number;
  /** Offsets that were read and wait. */
  waiting: number[] = [];
  /** Delivered and not committed, in order. */
  delivered: Delivered[] = [];
  userPaused = false;
  held = false;
  complete = false;
  retired = false;

  constructor(partition: number, epoch: number, next: number) {
    this.owned = new OwnedPartition({ topic: "t", partition }, epoch, new AuditTrail("t", partition, epoch), unheard);
    this.owned.commits();
    this.next = next;
  }

  get mayDeliver(): boolean {
    return !this.retired && !this.held && !this.userPaused;
  }

  /** What the ledger has to remember: from the first unfinished record on. */
  get span(): number {
    const first = this.delivered.findIndex(({ open }) => open);
    return first === -1 ? 0 : this.delivered.length - first;
  }

  get unfinished(): number {
    return this.delivered.filter(({ open }) => open).length;
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** Partitions that are read, delivered, finished and committed as a session does it, and what must hold of them. */
export class FlowWorld {
  readonly #limits: FlowLimits;
  /** Of every record, so that what a read brings is known before. */
  readonly #size: number;
  readonly #client = new PausedClient();
  readonly #turns = new Turns();
  readonly flow: FlowControl;
  models: Model[];
  #now = 0;
  #epoch = 1;

  constructor(limits: FlowLimits, size: number, partitions: number) {
    this.#limits = limits;
    this.#size = size;
    this.models = Array.from({ length: partitions }, (_, partition) => new Model(partition, 1, 0));
    this.flow = new FlowControl(limits, this.#client, () => this.models.map(({ owned }) => owned));
  }

  at(index: number): Model | undefined {
    return this.models[index % Math.max(1, this.models.length)];
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  setPaused(model: Model, paused: boolean): void {
    this.flow.userPauses.set(paused, [model.owned]);
    model.userPaused = paused;
  }

  setHeld(model: Model, held: boolean): void {
    if (model.held === held) return;
    if (held) model.owned.hold();
    else model.owned.release();
    model.held = held;
  }

  complete(model: Model): void {
    model.owned.complete();
    model.complete = true;
  }

  retire(model: Model): void {
    expect(model.owned.retire()).to.equal(model.waiting.length);
    model.retired = true;
    model.waiting = [];
  }

  /** It is given up and, with `comesBack`, assigned again at once. */
  giveUp(model: Model, comesBack: boolean): void {
    this.models = this.models.filter((each) => each !== model);
    this.flow.forget([model.owned]);
    model.owned.fence();
    const key = partitionKey(model.owned);
    expect(this.#client.paused.has(key), "left paused behind its owner").to.equal(false);
    if (comesBack) this.#add(model, new Model(model.owned.partition, ++this.#epoch, model.next));
  }

  #add(before: Model, after: Model): void {
    after.userPaused = before.userPaused;
    this.models.push(after);
  }

  /** It goes on from elsewhere, under a new epoch. */
  move(model: Model): void {
    const after = new Model(model.owned.partition, ++this.#epoch, model.next);
    this.models = this.models.filter((each) => each !== model);
    this.#add(model, after);
    this.flow.replace(model.owned, after.owned);
    model.owned.fence();
    this.#expectKnown();
  }

  /** The client was assigned anew and has forgotten what was paused. */
  forgetAtClient(): void {
    this.#client.paused.clear();
    this.flow.pauseAgain();
    this.#expectKnown();
  }

  #expectKnown(): void {
    for (const { owned } of this.models)
      expect(this.#client.paused.has(owned.key), "what it takes for paused").to.equal(this.flow.isPaused(owned));
    expect(this.#client.paused.size).to.be.at.most(this.models.length);
  }

  get #share(): number {
    return this.#limits.maxBufferedBytes / Math.max(1, this.models.length);
  }

  #bytes(records: number): number {
    return records * this.#size;
  }

  #isAtBound(model: Model): boolean {
    const { withContext, partitioned, maxInFlight, maxBufferedRecords } = this.#limits;
    if (!model.mayDeliver || model.complete || (withContext && model.span >= maxInFlight)) return true;
    const buffered = model.waiting.length;
    return partitioned && (buffered >= maxBufferedRecords || this.#bytes(buffered) >= this.#share);
  }

  #isAtHalf(model: Model): boolean {
    const { withContext, partitioned, maxInFlight, maxBufferedRecords } = this.#limits;
    if (!model.mayDeliver || model.complete || (withContext && model.span > maxInFlight / 2)) return false;
    const buffered = model.waiting.length;
    return !partitioned || (buffered <= maxBufferedRecords / 2 && this.#bytes(buffered) <= this.#share / 2);
  }

  #apply(all: boolean): void {
    const before = new Set(this.#client.paused);
    this.flow.apply(all);
    this.#expectKnown();
    for (const model of this.models) {
      const { key } = model.owned;
      const paused = this.#client.paused.has(key);
      if (all || this.#isAtBound(model)) expect(paused, `${key} is read beyond its bound`).to.equal(true);
      else if (this.#isAtHalf(model)) expect(paused, `${key} is held back for nothing`).to.equal(false);
      else expect(paused, `${key} is between its bounds`).to.equal(before.has(key));
    }
  }

  /** As the read loop does: a whole read where there is room for one, else single records, until it is full. */
  read(wanted: readonly number[]): void {
    const { maxPollRecords, maxBufferedRecords } = this.#limits;
    const room = this.flow.readRoom(this.#size);
    const had = this.#readAhead();
    const most = this.#expectRoom(room, had);
    if (room.isWhole) this.#apply(false);
    else if (room.isFull) this.#apply(true);
    const fits = Math.max(1, Math.floor(room.bytes / this.#size));
    this.#fetch(room.isWhole ? Math.min(room.records, maxPollRecords, fits) : 1, wanted);
    const buffered = this.#readAhead();
    if (buffered > had) {
      expect(buffered, "read ahead").to.be.at.most(2 * maxBufferedRecords);
      expect(this.#bytes(buffered), "bytes read ahead").to.be.at.most(Math.max(most, this.#size));
    }
  }

  /** Records that wait in partitions which may deliver. */
  #readAhead(): number {
    return sum(this.models.filter((each) => !this.#isAtBound(each)).map(({ waiting }) => waiting.length));
  }

  /** Answers how many bytes may wait in partitions that may deliver. */
  #expectRoom(room: ReturnType<FlowControl["readRoom"]>, records: number): number {
    const { maxPollRecords, maxBufferedRecords, maxBufferedBytes } = this.#limits;
    const held = this.models.filter((each) => this.#isAtBound(each));
    const heldBytes = this.#bytes(sum(held.map(({ waiting }) => waiting.length)));
    const most = Math.max(maxBufferedBytes - heldBytes, maxBufferedBytes / 16);
    const many = Math.min(maxPollRecords, maxBufferedRecords / 2);
    expect(room.isWhole, "room for a whole read").to.equal(
      maxBufferedRecords - records >= many && this.#bytes(records) <= most / 4,
    );
    const isOver = records > 0 && this.#bytes(records + 1) > most;
    expect(room.isFull, "room for a single record").to.equal(records >= 2 * maxBufferedRecords || isOver);
    return most;
  }

  /** The client brings records of partitions that are not paused, of whichever it likes. */
  #fetch(most: number, wanted: readonly number[]): void {
    const read = this.models.filter(({ owned }) => !this.#client.paused.has(owned.key));
    if (read.length === 0) return;
    let left = most;
    for (const each of wanted) {
      const model = read[each % read.length] as Model;
      const count = Math.min(left, 1 + (each % 7));
      if (count === 0) return;
      left -= count;
      const offsets = Array.from({ length: count }, () => model.next++);
      const value = Buffer.alloc(this.#size);
      const { topic, partition } = model.owned;
      const chunk = new FakeChunk(offsets.map((offset) => ({ topic, partition, offset, value })));
      const fetched = new FetchedChunk(chunk, 1);
      // What is given up takes nothing any more.
      if (model.retired) continue;
      for (const run of chunk.runs()) model.owned.add({ ...run, fetched });
      model.waiting.push(...offsets);
    }
  }

  /** To the stream of all partitions, or of that one. Answers how many records it were. */
  deliver(records: number, only: number): number {
    const from = this.#limits.partitioned ? [this.at(only)].filter((each) => each !== undefined) : this.models;
    const had = this.#sums();
    const owned = from.map((each) => each.owned);
    const room = this.flow.deliveryRoom(this.#now, records);
    const taken = this.#turns.take(owned, room, (each) => this.flow.room(each));
    let count = 0;
    for (const { owned: of, run } of taken) {
      const model = from.find((each) => each.owned === of) as Model;
      expect(model.mayDeliver, "delivers what is held back").to.equal(true);
      for (let index = run.from; index < run.to; index++) {
        const offset = run.fetched.chunk.offset(index);
        expect(offset, "in order").to.equal(model.waiting.shift());
        const sequence = model.owned.open(offset, this.#now, this.#size);
        model.delivered.push({ sequence, offset, at: this.#now, open: true });
        count += 1;
      }
      run.fetched.done(run);
    }
    expect(count).to.be.at.most(records);
    this.#expectBounds(count, had);
    if (count === 0 && records > 0) this.#expectReason(from);
    return count;
  }

  #sums(): { readonly span: number; readonly replays: number; readonly bytes: number; readonly age: number } {
    const since = this.models.flatMap(({ delivered }) => delivered[0]?.at ?? []);
    return {
      span: sum(this.models.map(({ span }) => span)),
      replays: sum(this.models.map(({ delivered }) => delivered.length)),
      bytes: this.#bytes(sum(this.models.map(({ unfinished }) => unfinished))),
      age: this.#now - Math.min(this.#now, ...since),
    };
  }

  #expectBounds(count: number, had: { readonly bytes: number; readonly age: number }): void {
    const { withContext, maxInFlight, maxInFlightTotal, maxInFlightBytes, maxReplay, maxBufferedBytes } = this.#limits;
    const { span, replays, bytes } = this.#sums();
    if (withContext) {
      for (const model of this.models) expect(model.span, "maxInFlight").to.be.at.most(maxInFlight);
      expect(span, "maxInFlightTotal").to.be.at.most(maxInFlightTotal);
    }
    expect(replays, "maxReplay.records").to.be.at.most(maxReplay.records ?? Number.POSITIVE_INFINITY);
    if (count === 0) return;
    expect(had.age, "maxReplay.ms").to.be.below(maxReplay.ms ?? Number.POSITIVE_INFINITY);
    const most = maxInFlightBytes ?? Number.POSITIVE_INFINITY;
    expect(bytes, "maxInFlightBytes").to.be.at.most(had.bytes === 0 ? Math.max(most, this.#size) : most);
    expect(this.#bytes(count), "at a time").to.be.at.most(Math.max(maxBufferedBytes / 16, this.#size));
  }

  /** Nothing was delivered: a bound says why of each partition in which records wait. */
  #expectReason(from: readonly Model[]): void {
    const { withContext, maxInFlight, maxInFlightTotal, maxInFlightBytes, maxReplay } = this.#limits;
    const { span, replays, bytes, age } = this.#sums();
    const isFull =
      (withContext && span >= maxInFlightTotal) ||
      replays >= (maxReplay.records ?? Number.POSITIVE_INFINITY) ||
      age >= (maxReplay.ms ?? Number.POSITIVE_INFINITY) ||
      (bytes > 0 && bytes + this.#size > (maxInFlightBytes ?? Number.POSITIVE_INFINITY));
    if (isFull) return;
    for (const model of from)
      if (model.waiting.length > 0)
        expect(!model.mayDeliver || (withContext && model.span >= maxInFlight), "stalls for nothing").to.equal(true);
  }

  /** One of those in flight where records are followed, else all up to it. */
  end(model: Model, which: number): void {
    const open = model.delivered.filter((each) => each.open);
    const chosen = open[which % Math.max(1, open.length)];
    if (!chosen) return;
    if (this.#limits.withContext) {
      model.owned.end(chosen.sequence, chosen.offset, "processed");
      chosen.open = false;
      return;
    }
    model.owned.endThrough(chosen.offset, undefined);
    for (const each of open) if (each.offset <= chosen.offset) each.open = false;
  }

  commit(): void {
    for (const model of this.models) {
      const watermark = model.owned.watermark(this.#now);
      if (watermark) model.owned.commitAcknowledged(watermark);
      const first = model.delivered.findIndex(({ open }) => open);
      model.delivered = first === -1 ? [] : model.delivered.slice(first);
    }
  }

  /** Half of a budget is used up, and a commit would help. */
  expectHurry(): void {
    const { withContext, maxInFlightBytes, maxReplay } = this.#limits;
    const { replays, bytes, age } = this.#sums();
    const isShort =
      replays >= (maxReplay.records ?? Number.POSITIVE_INFINITY) / 2 ||
      age >= (maxReplay.ms ?? Number.POSITIVE_INFINITY) / 2 ||
      (!withContext && bytes >= (maxInFlightBytes ?? Number.POSITIVE_INFINITY) / 2);
    expect(this.flow.isShort(this.#now), "short of room").to.equal(isShort);
  }

  /** Everything that held anything back is over: nothing stays paused, and all that was read is delivered. */
  runDry(): void {
    for (const model of this.models) {
      this.setPaused(model, false);
      this.setHeld(model, false);
    }
    for (let round = 0; this.models.some((each) => !each.retired && each.waiting.length > 0); round++) {
      expect(round, "rounds until everything is delivered").to.be.below(10_000);
      for (const model of this.models) this.deliver(100, this.models.indexOf(model));
      for (const model of this.models) while (model.unfinished > 0) this.end(model, model.unfinished - 1);
      this.commit();
    }
    for (const model of this.models) while (model.unfinished > 0) this.end(model, 0);
    this.#apply(false);
    for (const model of this.models) {
      const { owned, complete, retired } = model;
      expect(this.flow.isPaused(owned), "paused for ever").to.equal(complete || retired);
      expect([owned.buffered, owned.bufferedBytes]).to.deep.equal([0, 0]);
    }
  }
}
