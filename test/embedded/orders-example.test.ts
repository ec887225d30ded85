import { expect } from "chai";
import { type Evidence, judge, sentence } from "../../examples/orders/src/judge.js";
import { generateOrders, Order, type OrderLine } from "../../examples/orders/src/orders.js";
import { Progress } from "../../examples/orders/src/progress.js";
import { runDemo, verdictOf } from "../support/demo-process.js";

const line = (id: string): OrderLine => ({ id, customer: "c", sku: "s", quantity: 1, cents: 100 });

describe("orders example", () => {
  describe("judge", () => {
    const all: Evidence = {
      expected: [[line("1-1"), line("1-2")], [], [line("3-1")]],
      found: [line("3-1"), line("1-1"), line("1-2")],
      ends: [2, 1, 0],
      committed: [2, 1, undefined],
      budget: 3,
    };

    it("counts an order as lost when one of its lines is missing, and fails", () => {
      const verdict = judge({ ...all, found: [line("3-1"), line("1-1")] });
      expect(verdict).to.include({ orders: 2, delivered: 1, lost: 1, duplicated: 0, passed: false });
      expect(sentence(verdict)).to.equal("delivered 1 of 2 orders, lost 1, duplicated 0");
    });

    it("counts every order with lines as lost when nothing was found", () => {
      expect(judge({ ...all, found: [] })).to.include({ orders: 2, delivered: 0, lost: 2, passed: false });
    });

    it("does not take a line with other content for the one expected", () => {
      const verdict = judge({ ...all, found: [line("1-1"), line("1-2"), { ...line("3-1"), cents: 0 }] });
      expect(verdict).to.include({ delivered: 1, lost: 1, passed: false });
      expect(verdict.complaints).to.deep.equal(["Lines found that no order asked for: 1."]);
    });

    it("fails when there is a line that no order asked for", () => {
      expect(judge({ ...all, found: [...all.found, line("2-1")] })).to.include({ lost: 0, passed: false });
    });

    it("fails when a committed offset is missing, behind or ahead", () => {
      for (const committed of [
        [2, undefined, undefined],
        [1, 1, undefined],
        [2, 2, undefined],
        [2, 1, 1],
      ]) {
        const verdict = judge({ ...all, committed });
        expect(verdict, String(committed)).to.include({ lost: 0, passed: false });
        expect(verdict.complaints, String(committed)).to.have.length(1);
      }
    });

    it("fails when more orders were done again than the kills allow", () => {
      const verdict = judge({ ...all, budget: 0, found: [...all.found, line("1-2")] });
      expect(verdict).to.include({ lost: 0, duplicated: 1, passed: false });
      expect(verdict.complaints).to.deep.equal(["Orders done again: 1, and the budget is 0."]);
    });

    it("counts how often orders were done again, not their lines, and passes within the budget", () => {
      const verdict = judge({ ...all, found: [...all.found, line("1-1"), line("1-2"), line("1-1"), line("3-1")] });
      expect(verdict).to.include({ delivered: 2, lost: 0, duplicated: 3, passed: true });
    });

    it("passes when every line is there once and every end is committed", () => {
      expect(sentence(judge(all))).to.equal("delivered 2 of 2 orders, lost 0, duplicated 0");
      expect(judge(all).passed).to.equal(true);
    });
  });

  describe("generated orders", () => {
    const records = generateOrders(5_000, 1);
    const decoded = (value: string): Order | undefined => {
      try {
        return Order.parse(JSON.parse(value));
      } catch {
        return undefined;
      }
    };

    it("are poison in about one of 200 cases: broken JSON, and JSON that is no order", () => {
      const poison = records.filter(({ kind }) => kind === "poison");
      expect(poison.length).to.be.within(10, 50);
      expect(poison.filter(({ value }) => decoded(value) !== undefined)).to.deep.equal([]);
      expect(new Set(poison.map(({ value }) => value.endsWith("}")))).to.deep.equal(new Set([true, false]));
    });

    it("expect a line for each item, and none of poison and empty orders", () => {
      for (const { kind, lines, value } of records) {
        expect(lines.length).to.equal(kind === "order" ? decoded(value)?.items.length : 0);
        expect(lines.length > 0).to.equal(kind === "order");
      }
    });

    it("come from few customers who order much and many who order little", () => {
      const counts = new Map<string, number>();
      for (const { key } of records) counts.set(key, (counts.get(key) ?? 0) + 1);
      const sorted = [...counts.values()].sort((a, b) => b - a);
      expect(sorted.length).to.be.greaterThan(300);
      expect((sorted[0] ?? 0) / (sorted[99] ?? 0)).to.be.greaterThan(20);
    });

    it("are the same for the same seed only", () => {
      expect(generateOrders(50, 7)).to.deep.equal(generateOrders(50, 7));
      expect(generateOrders(50, 7)).not.to.deep.equal(generateOrders(50, 8));
    });
  });

  describe("progress", () => {
    it("goes back to what is committed when the pipeline begins again", () => {
      const progress = new Progress({ write: () => true }, [10, 20]);
      progress.update({
        inFlight: 3,
        uncommitted: 0,
        positions: [
          [0, 10],
          [1, 12],
        ],
      });
      expect(progress.done).to.equal(22);
      progress.restart([9, undefined]);
      expect(progress.done).to.equal(9);
      expect(progress.lag).to.deep.equal([1, 20]);
    });

    it("redraws one line on a terminal, and ends it", () => {
      const written: string[] = [];
      const progress = new Progress({ isTTY: true, write: (text) => written.push(text) }, [1_000]);
      progress.update({ inFlight: 7, uncommitted: 0, positions: [[0, 400]] });
      progress.close();
      expect(written).to.have.length(2);
      expect(written[0]).to.match(/^\r.* █{8}░{12} .*400 of 1,000 .* in flight {3}7 {3}lag 600$/);
      expect(written[1]).to.equal("\n");
    });
  });

  describe("command line", function () {
    this.timeout(30_000);

    it("refuses an option it does not know, and shows those it knows", async () => {
      const { code, errors, output } = await runDemo(["--fast"], 25_000);
      expect({ code, output }).to.deep.equal({ code: 2, output: "" });
      expect(errors).to.match(/Unknown option '--fast'[^]*--no-crash[^]*--brokers/);
    });

    it("prints its usage", async () => {
      const { code, output } = await runDemo(["--help"], 25_000);
      expect(code).to.equal(0);
      expect(output).to.match(/^Usage: pnpm demo/);
    });

    it("draws the pipeline's graph", async () => {
      const { code, output } = await runDemo(["--graph"], 25_000);
      expect(code).to.equal(0);
      expect(output).to.match(/^flowchart/);
      for (const stage of [
        "committableSource(orders)",
        "mapAsync",
        "mapConcat",
        "producerFlow",
        "collect",
        "batch",
        "committer",
      ])
        expect(output).to.include(`["${stage}"]`);
    });
  });

  describe("on an embedded Kafka", function () {
    this.timeout(70_000);

    it("delivers every order once when nothing happens", async () => {
      const { code, errors, lastLine } = await runDemo(["--no-crash", "--orders", "3000"], 60_000);
      expect({ code, errors }).to.deep.equal({ code: 0, errors: "" });
      const { delivered, orders, lost, duplicated } = verdictOf(lastLine);
      expect({ lost, duplicated, missing: orders - delivered }).to.deep.equal({ lost: 0, duplicated: 0, missing: 0 });
      expect(orders).to.equal(generateOrders(3_000, 1).filter(({ kind }) => kind === "order").length);
    });

    it("delivers every order when the pipeline is killed, and repeats no more than the budget", async () => {
      const { code, errors, lastLine, output } = await runDemo(["--orders", "3000"], 60_000);
      expect({ code, errors }).to.deep.equal({ code: 0, errors: "" });
      const { delivered, orders, lost, duplicated } = verdictOf(lastLine);
      expect({ lost, missing: orders - delivered }).to.deep.equal({ lost: 0, missing: 0 });
      const [finished = 0, committed = 0] = (/finished (\d+), committed (\d+)/.exec(output) ?? []).slice(1).map(Number);
      expect(finished).to.be.at.least(1_500);
      expect(committed).to.be.at.most(finished);
      // What was finished and not committed is done again, but for the few orders without lines.
      expect(duplicated).to.be.at.least(finished - committed - 5);
      expect(output).to.include(`budget: at most 200 records per kill, 1 kill; duplicated ${duplicated}\n`);
      expect(duplicated).to.be.at.most(200);
    });
  });
});
