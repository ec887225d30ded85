import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Deadlines, type Timed } from "../../src/handling/deadlines.js";
import { RunningAttempt } from "../../src/handling/running-attempt.js";

interface Numbered extends Timed {
  readonly number: number;
}

describe("deadlines", () => {
  let clock: VirtualClock;
  let over: number[];
  let deadlines: Deadlines<Numbered>;
  beforeEach(() => {
    clock = virtualClock();
    over = [];
    deadlines = new Deadlines<Numbered>(clock, 100, ({ number }) => over.push(number));
  });

  const begin = (number: number): Numbered => {
    const one = { number, startedAt: clock.now(), within: undefined, before: undefined, after: undefined };
    deadlines.add(one);
    return one;
  };
  const numbers = (): readonly number[] => [...deadlines.all()].map(({ number }) => number);

  it("end each at its own time, by one timer", async () => {
    begin(1);
    await clock.advance(40);
    begin(2);
    begin(3);
    await clock.advance(59);
    expect(over).to.deep.equal([]);
    await clock.advance(1);
    expect(over).to.deep.equal([1]);
    await clock.advance(39);
    expect(over).to.deep.equal([1]);
    await clock.advance(1);
    expect(over).to.deep.equal([1, 2, 3]);
    begin(4);
    await clock.advance(100);
    expect(over).to.deep.equal([1, 2, 3, 4]);
  });

  it("are forgotten with what ended before, wherever it stood", async () => {
    const [first, second, third, fourth] = [1, 2, 3, 4].map(begin) as [Numbered, Numbered, Numbered, Numbered];
    deadlines.remove(second);
    expect(numbers()).to.deep.equal([1, 3, 4]);
    deadlines.remove(fourth);
    deadlines.remove(first);
    expect(numbers()).to.deep.equal([3]);
    begin(5);
    expect(numbers()).to.deep.equal([3, 5]);
    deadlines.remove(third);
    await clock.advance(100);
    expect(over).to.deep.equal([5]);
    expect(numbers()).to.deep.equal([]);
  });

  it("end nothing any more once they are closed", async () => {
    begin(1);
    deadlines.close();
    begin(2);
    await clock.advance(1000);
    expect(over).to.deep.equal([]);
  });
});

describe("the signal of an attempt", () => {
  it("is aborted already where it is asked for only then, with the reason", () => {
    const attempt = new RunningAttempt({ topic: "t", partition: 0, offset: 0 }, 1, () => "g");
    attempt.abort("late");
    attempt.abort("later");
    expect(attempt.signal).to.include({ aborted: true, reason: "late" });
  });
});
