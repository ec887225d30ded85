import { expect } from "chai";
import type { KafkaConnectorError, OauthToken } from "@millrace/kafka";
import { freshToken } from "../../../src/client/checked-token.js";
import { withTokens } from "../../../src/client/rdkafka/oauth-tokens.js";
import { rejectionOf, until } from "../../support/until.js";

/** A client that notes what it is told. */
class NotingClient {
  readonly calls: string[] = [];
  connectError: Error | undefined;

  setOauthBearerToken(token: string): void {
    this.calls.push(`token ${token}`);
  }

  connect(_options: object, done: (error: unknown, result: unknown) => void): void {
    this.calls.push("connect");
    setImmediate(() => done(this.connectError, {}));
  }

  disconnect(done: () => void): void {
    this.calls.push("disconnect");
    done();
  }
}

const connecting = (client: NotingClient): Promise<unknown> =>
  new Promise((resolve, reject) => client.connect({}, (error) => (error ? reject(error) : resolve(undefined))));

/** A provider that gives the answers one after the other, and the last one ever after. */
const providing = (...answers: readonly (OauthToken | Error)[]) => {
  let asked = 0;
  const provider = async (): Promise<OauthToken> => {
    const answer = answers[Math.min(asked++, answers.length - 1)] as OauthToken | Error;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { provider, asked: () => asked };
};

const token = (name: string, lifetimeMs = 3_600_000): OauthToken => ({ token: name, lifetimeMs });

describe("tokens from a provider", () => {
  const refused: readonly [what: string, answer: unknown, message: RegExp][] = [
    ["nothing", undefined, /Invalid input/],
    ["only text", "secret", /expected object/],
    ["an empty one", token(""), /token/],
    ["one with characters that librdkafka refuses and repeats", token("secret-ü"), /visible ASCII/],
    ["one that has expired", token("secret", 0), /expired/],
    ["one whose lifetime is a date", token("secret", 1_795_000_000_000), /milliseconds from now on/],
    ["an extension whose name is not letters", { ...token("secret"), extensions: { "a-b": "c" } }, /extensions/],
    ["a misspelt field", { ...token("secret"), lifeTime: 1 }, /lifeTime/],
  ];
  for (const [what, answer, message] of refused) {
    it(`are refused without being repeated: ${what}`, async () => {
      const error = (await rejectionOf(freshToken(async () => answer as OauthToken))) as KafkaConnectorError;
      expect(error).to.include({ code: "TOKEN_FAILED", retriable: true });
      expect(error.message).to.match(message).and.not.contain("secret");
    });
  }

  it("are not waited for without end", async () => {
    const error = (await rejectionOf(freshToken(() => new Promise<never>(() => undefined), 5))) as KafkaConnectorError;
    expect(error).to.include({ code: "TOKEN_FAILED", retriable: true });
    expect(String(error.cause)).to.contain("within 5 ms");
  });
});

describe("a node-rdkafka client with OAuth tokens", () => {
  let client: NotingClient;
  let errors: KafkaConnectorError[];
  beforeEach(() => {
    client = new NotingClient();
    errors = [];
  });
  afterEach(() => client.disconnect(() => undefined));

  const given = (provider: () => Promise<OauthToken>): NotingClient =>
    withTokens(client, provider, (error) => errors.push(error));

  it("does not connect where the provider fails, and keeps its error as the cause", async () => {
    const cause = new Error("the token server is down");
    const error = await rejectionOf(connecting(given(providing(cause).provider)));
    expect(error).to.include({ code: "TOKEN_FAILED", cause });
    expect(client.calls).to.deep.equal([]);
  });

  it("does not connect where the provider throws at once", async () => {
    const throwing = (): never => {
      throw new Error("no configuration");
    };
    expect(await rejectionOf(connecting(given(throwing)))).to.include({ code: "TOKEN_FAILED" });
  });

  it("refuses extensions, which node-rdkafka would drop", async () => {
    const provider = async () => ({ ...token("t"), extensions: { cluster: "a" } });
    const error = (await rejectionOf(connecting(given(provider)))) as KafkaConnectorError;
    expect(error).to.include({ code: "INVALID_SETTINGS" });
    expect(error.message).to.contain("confluentDriver");
  });

  it("asks for no more tokens once it could not connect", async () => {
    client.connectError = new Error("refused");
    const { provider, asked } = providing(token("t", 5));
    await rejectionOf(connecting(given(provider)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked()).to.equal(1);
  });

  it("keeps the old token while renewing fails, reports each failure, and asks again", async () => {
    const { provider } = providing(token("first", 20), new Error("down"), new Error("down"), token("second"));
    await connecting(given(provider));
    await until(() => client.calls.includes("token second"), "the second token");
    expect(errors.map(({ code, retriable }) => ({ code, retriable }))).to.deep.equal([
      { code: "TOKEN_FAILED", retriable: true },
      { code: "TOKEN_FAILED", retriable: true },
    ]);
    expect(client.calls).to.deep.equal(["token first", "connect", "token second"]);
  });

  it("asks for none after it has disconnected, and drops one that is on its way", async () => {
    let answer: (value: OauthToken) => void = () => undefined;
    let asked = 0;
    const provider = (): Promise<OauthToken> => {
      asked += 1;
      return asked === 1 ? Promise.resolve(token("first", 5)) : new Promise((resolve) => (answer = resolve));
    };
    await connecting(given(provider));
    await until(() => asked === 2, "the renewal");
    client.disconnect(() => undefined);
    answer(token("second", 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked).to.equal(2);
    expect(client.calls).to.deep.equal(["token first", "connect", "disconnect"]);
  });

  it("sets the token before it connects, and the next one before the lifetime is over", async () => {
    const { provider } = providing(token("first", 50), token("second"));
    const begin = performance.now();
    await connecting(given(provider));
    await until(() => client.calls.includes("token second"), "the second token");
    expect(performance.now() - begin).to.be.at.least(35);
    expect(client.calls).to.deep.equal(["token first", "connect", "token second"]);
    expect(errors).to.deep.equal([]);
  });

  it("does not take a lifetime of years for one of none", async () => {
    const { provider, asked } = providing(token("t", 300_000_000_000));
    await connecting(given(provider));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked()).to.equal(1);
  });
});
