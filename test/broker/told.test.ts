import {
  committerSink,
  type ConsumerSettings,
  DrainingControl,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../../packages/kafka-testkit/test/support/owner.js";
import { brokerOrSkip } from "../support/broker.js";

/** What a consumer lives on with and gets nothing by, and the remedy that it tells. */
const TROUBLES: Readonly<Record<string, { readonly settings: Partial<ConsumerSettings>; readonly remedy: string }>> = {
  "a topic that does not exist": { settings: {}, remedy: "Create the topic, or correct its name." },
  "a session shorter than the broker allows": {
    settings: { sessionTimeoutMs: 1000 },
    remedy: "Set `sessionTimeoutMs` within the brokers' `group.min.session.timeout.ms`",
  },
  "a session longer than the broker allows": {
    settings: { sessionTimeoutMs: 3_600_000, properties: { "max.poll.interval.ms": 3_600_000 } },
    remedy: "Set `sessionTimeoutMs` within the brokers' `group.min.session.timeout.ms`",
  },
};

describe("a consumer on a real broker tells, with the remedy,", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });

  for (const [trouble, { settings, remedy }] of Object.entries(TROUBLES)) {
    it(`${trouble}: in the log, in health() and in explain()`, async () => {
      const warned: string[] = [];
      const say = (message: string, fields?: object): void => void warned.push(`${message} ${fieldsText(fields)}`);
      const logger = { debug: () => undefined, info: () => undefined, warn: say, error: say };
      const name = `told-${Math.random().toString(36).slice(2)}`;
      if (trouble.startsWith("a session")) await kafka.createTopic(name, { partitions: 1 });
      const control = sourceWithOffsetContext({
        kafka: { brokers: kafka.brokers, groupId: name, logger },
        topics: [name],
        value: string(),
        ...settings,
      })
        .toMat(committerSink(), DrainingControl.from)
        .run();
      await eventually("it is told", () => warned.some((each) => each.includes(remedy)), 20_000);
      expect(control.health()).to.include({ live: true, ready: false });
      expect(
        control
          .health()
          .reasons.map(({ message }) => message)
          .join(),
      ).to.include(remedy);
      expect(String(control.explain())).to.include(remedy);
      await control.drainAndShutdown();
    });
  }
});

const fieldsText = (fields: object | undefined): string =>
  fields && "error" in fields ? String((fields as { readonly error: unknown }).error) : "";
