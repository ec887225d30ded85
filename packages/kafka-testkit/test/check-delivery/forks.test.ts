import { committerSink, DrainingControl } from "@millrace/kafka";
import { checkDelivery, DeliveryCheckError, type DeliveryPipeline, type DeliveryWorld } from "@millrace/kafka-testkit";
import { Flow, FlowWithContext, Join } from "@millrace/streams";
import { expect } from "chai";
import fc from "fast-check";
import { unhandledRejections } from "../../../../test/support/unhandled.js";
import { explicit, followed, type FollowedRecord, type Message, offsetOf } from "./support/pipelines.js";

/** What is done with each record, or with each that a fork gives this branch. */
type Shape =
  | { readonly is: "work"; readonly parallelism: number; readonly sleepMs: number }
  | { readonly is: "filter" }
  /** So many outputs, each with an effect of its own. */
  | { readonly is: "outputs"; readonly count: number }
  | { readonly is: "broadcast" | "alsoTo" | "partition"; readonly branches: readonly Shape[] };

type Branch = FlowWithContext<FollowedRecord, FollowedRecord>;
type Branches = readonly [Branch, ...Branch[]];
const anything: Branch = FlowWithContext.of<FollowedRecord>();

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

/** The effects of a record behind `shape`, whose names begin with `name`. */
const effectsOf = (shape: Shape, name: string, offset: number): readonly string[] => {
  if (shape.is === "filter") return [];
  if (shape.is === "work") return [name];
  if (shape.is === "outputs") return range(shape.count).map((output) => `${name}.${output}`);
  const { branches } = shape;
  if (shape.is !== "partition") return branches.flatMap((each, at) => effectsOf(each, `${name}/${at}`, offset));
  const at = offset % branches.length;
  return effectsOf(branches[at] as Shape, `${name}/${at}`, offset);
};

const flowOf = (world: DeliveryWorld, shape: Shape, path: string): Branch => {
  if (shape.is === "filter") return anything.filter(() => false);
  if (shape.is === "work") {
    return anything.mapAsyncUnordered(shape.parallelism, async (record) => {
      if (shape.sleepMs > 0) await world.sleep(shape.sleepMs);
      await world.effect(`${record.value}${path}`);
      return record;
    });
  }
  if (shape.is === "outputs") {
    return anything
      .mapConcat((record) => range(shape.count).map((output) => ({ record, output })))
      .mapAsyncUnordered(3, async ({ record, output }) => {
        await world.effect(`${record.value}${path}.${output}`);
        return record;
      });
  }
  const flows = shape.branches.map((each, at) => flowOf(world, each, `${path}/${at}`)) as unknown as Branches;
  if (shape.is === "alsoTo") return flows.reduce<Branch>((all, flow) => all.alsoTo(flow), anything);
  const join = Join.merge<FollowedRecord>();
  if (shape.is === "broadcast") return anything.broadcast(flows, join);
  return anything.partition(flows, ({ offset }) => offset % flows.length, join);
};

const leaf = fc.oneof<fc.Arbitrary<Shape>[]>(
  fc.record({ is: fc.constant("work"), parallelism: fc.constantFrom(1, 4), sleepMs: fc.constantFrom(0, 0, 30) }),
  fc.record({ is: fc.constant("outputs"), count: fc.integer({ min: 2, max: 5 }) }),
  fc.constant({ is: "filter" }),
);
const fork = (inner: fc.Arbitrary<Shape>, least: number): fc.Arbitrary<Shape> =>
  fc.record({
    is: fc.constantFrom("broadcast", "broadcast", "alsoTo", "partition"),
    branches: fc.array(inner, { minLength: least, maxLength: 5 }),
  });
/** A fork of up to five branches, one in four of which forks again. */
const drawn = fork(fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 1, arbitrary: fork(leaf, 2) }), 3);

const textOf = (shape: Shape): string =>
  "branches" in shape ? `${shape.is}(${shape.branches.map(textOf).join(", ")})` : shape.is;

describe("checkDelivery of forks with up to five branches", function () {
  this.timeout(120_000);

  it("finds no record that is committed before all of its branches have ended it", async () => {
    const check = async (shape: Shape): Promise<void> => {
      const pipeline: DeliveryPipeline = (world) =>
        followed(world)
          .via(flowOf(world, shape, ""))
          .toMat(committerSink({ maxBatch: 1, maxIntervalMs: 50 }), DrainingControl.from);
      const expected = ({ id, offset }: { readonly id: string; readonly offset: number }) =>
        effectsOf(shape, id, offset);
      const options = { guarantee: "at-least-once", expected, records: 4, runs: 30 } as const;
      const unheard = await unhandledRejections(async () => {
        try {
          await checkDelivery(pipeline, options);
        } catch (error) {
          if (error instanceof DeliveryCheckError) throw new Error(`${textOf(shape)}: ${error.message}`);
          throw error;
        }
      });
      // A side branch that nobody watches may fail as well, after the stream has.
      expect(unheard.map(String).filter((text) => !text.includes("as checkDelivery tries"))).to.deep.equal([]);
    };
    await fc.assert(fc.asyncProperty(drawn, check), { numRuns: 12 });
  });

  for (const branches of [3, 5]) {
    it(`finds no offset that is committed before all of ${branches} branches have rejoined it by zip`, () => {
      const flows = (world: DeliveryWorld) =>
        range(branches).map((at) =>
          Flow.of<Message>().mapAsync(2, async (message) => {
            await world.effect(`${message.record.value}/${at}`);
            return message;
          }),
        ) as unknown as readonly [Flow<Message, Message>, ...Flow<Message, Message>[]];
      const pipeline: DeliveryPipeline = (world) =>
        explicit(world)
          .broadcast(flows(world), Join.zip<Message>())
          .map(([message]) => offsetOf(message as Message))
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);
      const expected = ({ id }: { readonly id: string }) => range(branches).map((at) => `${id}/${at}`);
      return checkDelivery(pipeline, { guarantee: "at-least-once", records: 4, runs: 40, expected });
    });
  }
});
