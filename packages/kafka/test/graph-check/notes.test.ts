import { Flow, Join, KillSwitches, type RunnableGraph, Sink, Source } from "@millrace/streams";
import {
  byPartition,
  checkGraph,
  type CommittableOffset,
  CommittableOffsetBatch,
  committerFlow,
  committerSink,
  groupByPartition,
} from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type Message, offsetSource } from "./support/offset-source.js";

const { source } = offsetSource();
const offsetOf = ({ offset }: Message): CommittableOffset => offset;
const offsets = source.map(offsetOf);
const later = async (offset: CommittableOffset): Promise<CommittableOffset> => offset;
const branch = Flow.of<CommittableOffset>();
const byHand = async ({ offset }: Message): Promise<void> => {
  await offset.commit();
};

/** Offsets that have left their graph, as those of `for await`, a queue or a callback. */
const elsewhere = Source.from((async function* (): AsyncGenerator<CommittableOffset> {})());

const graphIn = (group: (flow: Flow<Message, Message>) => Flow<Message, Message>): RunnableGraph<unknown> =>
  source.via(groupByPartition(group)).map(offsetOf).to(committerSink());

const failing = (error: unknown): never => {
  throw error;
};

interface Blind {
  readonly graph: RunnableGraph<unknown>;
  /** Code and stage of each note. */
  readonly notes: readonly string[];
  /** Part of what is not seen, and of what to do. */
  readonly text: RegExp;
  readonly fix: RegExp;
}

/** Where the check sees nothing, and says so. */
const BLIND: Readonly<Record<string, Blind>> = {
  "an element in place of a failure": {
    graph: offsets
      .mapAsync(2, later)
      .recover(() => CommittableOffsetBatch.empty)
      .to(committerSink()),
    notes: ["RECOVERS_FAILURES at recover"],
    text: /an offset in it commits the record that failed/,
    fix: /CommittableOffsetBatch\.empty/,
  },
  "a commit by hand": {
    graph: source.mapAsync(4, byHand).to(Sink.ignore),
    notes: ["NO_COMMITTER at committableSource"],
    text: /by hand, .* is seen neither by the check nor by the order guard/,
    fix: /committerSink; or commit in a mapAsync\(1\)/,
  },
  "take inside groupByPartition": {
    graph: graphIn((group) => group.take(3)),
    notes: ["ENDS_GROUP at take"],
    text: /later records of its partition go nowhere/,
    fix: /end the stream as a whole/,
  },
  "take inside groupBy(byPartition)": {
    graph: source.groupBy(8, byPartition).take(3).map(offsetOf).mergeSubstreams().to(committerSink()),
    notes: ["ENDS_GROUP at take"],
    text: /later records/,
    fix: /filter/,
  },
  "take(0) inside a group": {
    graph: graphIn((group) => group.take(0)),
    notes: ["ENDS_GROUP at take"],
    text: /may end a group/,
    fix: /filter/,
  },
  "takeWhile inside a group": {
    graph: graphIn((group) => group.takeWhile(() => false)),
    notes: ["ENDS_GROUP at takeWhile"],
    text: /may end a group/,
    fix: /filter/,
  },
  "recover inside a group": {
    graph: graphIn((group) => group.recover(failing)),
    notes: ["RECOVERS_FAILURES at recover", "ENDS_GROUP at recover"],
    text: /in place of a failure/,
    fix: /let the stream fail/,
  },
  "a kill switch inside a group": {
    graph: graphIn((group) => group.via(KillSwitches.single<Message>())),
    notes: ["ENDS_GROUP at killSwitch"],
    text: /may end a group/,
    fix: /end the stream as a whole/,
  },
  "a pair inside a group with something that ends": {
    graph: graphIn((group) => group.zip(Source.from([1, 2])).map(([message]) => message)),
    notes: ["ENDS_GROUP at zip"],
    text: /may end a group/,
    fix: /end the stream as a whole/,
  },
  "take inside a group of a group": {
    graph: graphIn((group) => group.via(groupByPartition((inner) => inner.take(1)))),
    notes: ["ENDS_GROUP at take"],
    text: /may end a group/,
    fix: /filter/,
  },
  "offsets from for await, a queue or a callback": {
    graph: elsewhere.mapAsyncUnordered(4, later).to(committerSink()),
    notes: ["BRIDGED_OFFSETS at committer"],
    text: /the way from their own source to there is not seen/,
    fix: /only the order guard watches it/,
  },
  "offsets from a queue": {
    graph: Source.queue<CommittableOffset>(8).via(committerFlow()).to(Sink.ignore),
    notes: ["BRIDGED_OFFSETS at committer"],
    text: /commits offsets that come from /,
    fix: /end the graph that the offsets begin in/,
  },
  "offsets from elsewhere beside those of a source": {
    graph: offsets.merge(elsewhere).to(committerSink()),
    notes: ["BRIDGED_OFFSETS at committer"],
    text: /not seen/,
    fix: /order guard/,
  },
};

describe("where the graph check is blind it says so:", () => {
  for (const [name, { graph, notes, text, fix }] of Object.entries(BLIND)) {
    it(name, () => {
      const report = checkGraph(graph);
      expect(report.hazards, String(report)).to.deep.equal([]);
      expect(report.notes.map(({ code, stage }) => `${code} at ${stage}`).sort()).to.deep.equal([...notes].sort());
      expect(report.notes.map((each) => each.text).join()).to.match(text);
      expect(report.notes.map((each) => each.fix).join()).to.match(fix);
      for (const note of report.notes) expect(String(report)).to.include(note.text).and.to.include(note.fix);
    });
  }

  it("not of a graph in which it sees everything", () => {
    const seen: Readonly<Record<string, RunnableGraph<unknown>>> = {
      "take outside of groups": offsets.take(3).to(committerSink()),
      "take behind groups": source
        .via(groupByPartition((group) => group))
        .take(3)
        .map(offsetOf)
        .to(committerSink()),
      "branches paired inside a group": source
        .via(
          groupByPartition((group) => group.map(offsetOf).broadcast([branch, branch], Join.zip<CommittableOffset>())),
        )
        .map(([offset]) => offset as CommittableOffset)
        .to(committerSink()),
      "a pair with another source": offsets
        .zip(elsewhere)
        .map(([offset]) => offset)
        .to(committerSink()),
      "two sources of offsets": offsets
        .merge(offsetSource("explicit", "other").source.map(offsetOf))
        .to(committerSink()),
      "elements without offsets": Source.from([1])
        .take(1)
        .recover((): undefined => undefined)
        .to(Sink.ignore),
    };
    for (const [name, graph] of Object.entries(seen)) expect(String(checkGraph(graph)), name).to.equal("");
  });

  it("and logs it when the stream is run, also by for await", () =>
    assertAllClosed(async () => {
      const given = offsetSource();
      for await (const _ of given.source.iterate()) expect.fail("it has no messages");
      expect(given.logged.map(({ level, fields }) => [level, fields])).to.deep.equal([
        ["info", { code: "NO_COMMITTER", stage: "committableSource" }],
      ]);
      expect(given.logged[0]?.message).to.include("behind for await").and.to.include("See to it: ");
    }));
});

describe("a graph without committer, whose offsets may be committed by hand anywhere,", () => {
  const unordered = source.mapAsyncUnordered(4, (message) => Promise.resolve(message));
  const message = Flow.of<Message>();
  const REFUSED: Readonly<Record<string, readonly [graph: RunnableGraph<unknown>, hazards: readonly string[]]>> = {
    "order is lost": [unordered.mapAsync(1, byHand).to(Sink.ignore), ["ORDER_LOST"]],
    "the commit itself loses the order": [source.mapAsyncUnordered(4, byHand).to(Sink.ignore), ["ORDER_LOST"]],
    "groups divide partitions": [
      source
        .groupBy(8, ({ record }) => record.key)
        .mapAsync(1, byHand)
        .mergeSubstreams()
        .to(Sink.ignore),
      ["GROUPS_SPLIT_PARTITIONS"],
    ],
    "records have several ways": [
      source.alsoTo(message.mapAsync(1, byHand).to(Sink.ignore)).to(Sink.ignore),
      ["SPLIT_NOT_REJOINED"],
    ],
    "records go different ways": [
      source.divertTo(message.mapAsync(1, byHand).to(Sink.ignore), () => true).to(Sink.ignore),
      ["SPLIT_NOT_REJOINED"],
    ],
    "branches are merged": [
      source.broadcast([message, message], Join.merge<Message>()).mapAsync(1, byHand).to(Sink.ignore),
      ["SPLIT_NOT_REJOINED"],
    ],
    "records are dropped": [
      source
        .conflate((_, last) => last)
        .mapAsync(1, byHand)
        .to(Sink.ignore),
      ["DROPS_OFFSETS"],
    ],
  };

  for (const [name, [graph, hazards]] of Object.entries(REFUSED)) {
    it(`is refused where ${name}`, () => {
      expect(checkGraph(graph).hazards.map(({ code }) => code)).to.deep.equal(hazards);
      expect(() => graph.run())
        .to.throw()
        .with.property("code", "UNSAFE_GRAPH");
    });
  }

  it("is refused by for await as well", () => {
    expect(() => unordered.iterate())
      .to.throw()
      .with.property("code", "UNSAFE_GRAPH");
  });

  it("is not said to be read again", () => {
    for (const { text, fix } of checkGraph(source.mapAsync(1, byHand).to(Sink.ignore)).notes)
      expect(text + fix).not.to.include("read again");
  });

  it("is allowed where branches are paired", () => {
    const graph = source
      .broadcast([message, message], Join.zip<Message>())
      .mapAsync(1, ([first]) => byHand(first as Message))
      .to(Sink.ignore);
    expect(checkGraph(graph).hazards).to.deep.equal([]);
  });
});
