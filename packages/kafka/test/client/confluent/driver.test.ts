import { expect } from "chai";
import { confluentDriver } from "../../../src/client/confluent/driver.js";

describe("the driver over @confluentinc/kafka-javascript", () => {
  it("says its package's name, and that it sends the metadata of a commit", () => {
    expect(confluentDriver).to.include({ name: "@confluentinc/kafka-javascript", commitsMetadata: true });
  });
});
