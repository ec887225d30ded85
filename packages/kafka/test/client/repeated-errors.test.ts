import { silentLogger } from "@millrace/kafka";
import type { Logger } from "@millrace/streams";
import { expect } from "chai";
import { RepeatedErrors } from "../../src/client/repeated-errors.js";

describe("errors that a client repeats", () => {
  let now: number;
  let logged: string[];
  let errors: RepeatedErrors;
  beforeEach(() => {
    now = 0;
    logged = [];
    const warn: Logger["warn"] = (message, { error, repeated } = {}) => {
      logged.push(
        `${now / 1000} s ${message}: ${(error as Error).message}${typeof repeated === "number" ? ` ×${repeated}` : ""}`,
      );
    };
    errors = new RepeatedErrors({ ...silentLogger, warn }, "client error", () => now);
  });

  /** So often in that time, evenly. */
  const come = (text: string, times: number, ms: number): void => {
    for (let each = 0; each < times; each++) {
      errors.warn(new Error(text));
      now += ms / times;
    }
  };

  it("are logged at once, and then at growing intervals with how often they came", () => {
    come("down", 800, 80_000);
    expect(logged).to.deep.equal([
      "0 s client error: down",
      "10 s client error: down ×99",
      "30 s client error: down ×199",
      "70 s client error: down ×399",
    ]);
  });

  it("are logged every ten minutes in the end", () => {
    come("down", 20_000, 20_000_000);
    expect(logged.slice(-3).map((line) => line.split(" ×")[1])).to.deep.equal(["599", "599", "599"]);
  });

  it("are distinguished by what they say", () => {
    come("down", 1, 10);
    come("refused", 1, 10);
    come("down", 1, 10);
    expect(logged).to.have.length(2);
  });

  it("are news again after a quiet time", () => {
    come("down", 2, 20);
    now += 60_000;
    come("down", 2, 20);
    now += 11_000;
    come("down", 1, 20);
    expect(logged.map((line) => line.replace(/ client.*?(?= ×|$)/, ""))).to.deep.equal([
      "0 s",
      "60.02 s ×1",
      "71.04 s ×1",
    ]);
  });

  it("of ever new texts take no more memory than a hundred", () => {
    for (let each = 0; each < 250; each++) come(`number ${each}`, 1, 1);
    expect(logged).to.have.length(250);
    come("number 249", 1, 1);
    expect(logged).to.have.length(250);
    // Forgotten with all before it.
    come("number 150", 1, 1);
    expect(logged).to.have.length(251);
  });
});
