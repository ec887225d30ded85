import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually, killAndAwait } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import type { CopyJob } from "./support/copy-job.js";
import type { CopyProgress } from "./support/copy-process.js";
import { chosenSeed, randomNumbers } from "./support/random.js";
import { SequenceCheck, sequencedRecords } from "./support/sequences.js";
import { committedPositions, fill, TopicReader } from "./support/topics.js";

const PARTITIONS = 8;
const PER_PARTITION = 25_000;
const TOTAL = PARTITIONS * PER_PARTITION;
const KILLS = 5;
/** Records a killed process may have been given since its last report. */
const PROGRESS_LAG = 2000;
const STEP_MS = 60_000;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** The copy job in a process of its own. */
class CopyProcess {
  readonly #child: ChildProcess;
  delivered = 0;
  acknowledged = 0;

  constructor(job: CopyJob) {
    this.#child = fork(fileURLToPath(new URL("support/copy-process.ts", import.meta.url)), [JSON.stringify(job)]);
    this.#child.on("message", (message) => Object.assign(this, message as CopyProgress));
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async reaches(what: string, isSo: () => boolean): Promise<void> {
    await eventually(what, () => isSo() || !this.isRunning, STEP_MS);
    if (!this.isRunning) throw new Error(`The copying process ended before ${what}.`);
  }

  async kill(): Promise<void> {
    if (this.isRunning) await killAndAwait(this.#child);
  }

  async drain(): Promise<number | null> {
    const ended = once(this.#child, "exit");
    this.#child.send("drain");
    return ((await ended) as [number | null])[0];
  }
}

describe("copying 200 000 records in a process that is killed five times", function () {
  this.timeout(180_000);
  const from = `kill-from-${process.pid}`;
  const to = `kill-to-${process.pid}`;
  let kafka: LocalKafka;
  let child: CopyProcess | undefined;

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(from, { partitions: PARTITIONS });
    await kafka.createTopic(to, { partitions: PARTITIONS });
    await fill(kafka.brokers, sequencedRecords(from, PARTITIONS, PER_PARTITION));
  });

  afterEach(() => child?.kill());

  const start = (): CopyProcess =>
    (child = new CopyProcess({
      brokers: kafka.brokers,
      groupId: to,
      from,
      to,
      // A static member takes its partitions over at once; a dynamic one would wait for the dead one's session to end.
      properties: { "group.instance.id": "copy", "session.timeout.ms": 6000 },
    }));

  it("loses nothing, keeps order, and repeats only what was not committed", async () => {
    const random = randomNumbers(chosenSeed());
    const moments = Array.from({ length: KILLS }, () => random() * 0.96 * TOTAL).sort((left, right) => left - right);
    const check = new SequenceCheck(PARTITIONS);
    await using reader = await TopicReader.open(kafka.brokers, to, PARTITIONS);
    let committed: readonly number[] = check.next;
    let mayRepeat = 0;
    let lastWindow = 0;

    for (const [index, moment] of moments.entries()) {
      const began = sum(committed);
      const running = start();
      await running.reaches("the moment of its death", () => began + running.delivered > moment);
      // Between two progress reports, too: in the middle of a commit, a read, an acknowledgement.
      await new Promise((resolve) => setTimeout(resolve, random() * 40));
      await running.kill();

      const ends = await reader.settledEnds();
      committed = await committedPositions(kafka.brokers, to, from, PARTITIONS);
      const before = check.duplicates;
      await reader.readTo(ends, (partition, _, value) => check.add(partition, value));
      expect(check.violations).to.deep.equal([]);
      expect(check.duplicates - before, "only what was not committed is repeated").to.be.at.most(lastWindow);
      for (const [partition, position] of committed.entries()) {
        expect(check.next[partition], `all below the committed ${position} is in the sink`).to.be.at.least(position);
      }
      const window = sum(check.next) - sum(committed);
      const bound = running.delivered + PROGRESS_LAG + lastWindow;
      expect(window, "what is uncommitted was delivered by this process, or to be repeated by it").to.be.at.most(bound);
      process.stderr.write(
        `kill ${index + 1} at ${began + running.delivered}: produced ${sum(check.next)}, committed ${sum(committed)}, ` +
          `window ${window}, repeated ${check.duplicates - before}\n`,
      );
      mayRepeat += window;
      lastWindow = window;
      check.begin(committed);
    }

    const began = sum(committed);
    const last = start();
    await last.reaches("the rest is copied", () => began + last.acknowledged >= TOTAL);
    expect(await last.drain()).to.equal(0);
    await reader.readToEnd((partition, _, value) => check.add(partition, value));
    const whole = check.next.map(() => PER_PARTITION);
    expect(check).to.deep.include({ violations: [], next: whole });
    expect(check.duplicates).to.be.at.most(mayRepeat);
    expect(await committedPositions(kafka.brokers, to, from, PARTITIONS)).to.deep.equal(whole);
    process.stderr.write(`delivered ${sum(check.next)} of ${TOTAL}, lost 0, duplicated ${check.duplicates}\n`);
  });
});
