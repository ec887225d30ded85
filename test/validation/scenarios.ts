import type { Scenario } from "./scenario.js";
import { brokerGroups } from "./scenarios/broker-groups.js";
import { commits } from "./scenarios/commits.js";
import { cooperativeGroups } from "./scenarios/cooperative-groups.js";
import { eagerGroups } from "./scenarios/eager-groups.js";
import { growth } from "./scenarios/growth.js";
import { membership } from "./scenarios/membership.js";
import { outages } from "./scenarios/outages.js";
import { positions } from "./scenarios/positions.js";
import { producing } from "./scenarios/producing.js";
import { reading } from "./scenarios/reading.js";
import { transactions } from "./scenarios/transactions.js";

export const scenarios: readonly Scenario[] = [
  ...positions,
  ...commits,
  ...eagerGroups,
  ...cooperativeGroups,
  ...membership,
  ...reading,
  ...producing,
  ...growth,
  ...transactions,
  ...brokerGroups,
  ...outages,
];
