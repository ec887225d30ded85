import { type Health, healthServer } from "@millrace/kafka";
import { expect } from "chai";
import { rejectionOf } from "./support/until.js";

describe("a health server", () => {
  let health: Health = { live: true, ready: true, reasons: [] };
  const control = { health: () => health };
  const ask = async (port: number, path: string): Promise<readonly [number, unknown]> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return [answer.status, await answer.json()];
  };

  it("answers whether a consumer is live and ready, now, and with what it lacks", async () => {
    await using server = healthServer(control, { port: 0 });
    const port = await server.listening;
    const reasons = [{ code: "RESTARTING", message: "503" }] as const;
    for (const [live, ready] of [
      [true, true],
      [true, false],
      [false, false],
    ] as const) {
      health = { live, ready, reasons };
      expect(await ask(port, "/live")).to.deep.equal([live ? 200 : 503, health]);
      expect(await ask(port, "/ready?verbose")).to.deep.equal([ready ? 200 : 503, health]);
    }
    expect((await ask(port, "/"))[0]).to.equal(404);
  });

  it("says where its port is taken, and closes all the same, twice", async () => {
    await using first = healthServer(control, { port: 0 });
    const second = healthServer(control, { port: await first.listening });
    expect(await rejectionOf(second.listening)).to.include({ code: "EADDRINUSE" });
    await second.close();
    await second.close();
  });

  it("closes though a connection is open", async () => {
    const server = healthServer(control, { port: 0 });
    await ask(await server.listening, "/live");
    await server.close();
    await server.close();
  });
});
