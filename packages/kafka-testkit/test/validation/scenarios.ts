import type { Scenario } from "./scenario.js";
import { commits } from "./scenarios/commits.js";
import { cooperativeGroups } from "./scenarios/cooperative-groups.js";
import { eagerGroups } from "./scenarios/eager-groups.js";
import { membership } from "./scenarios/membership.js";
import { positions } from "./scenarios/positions.js";
import { producing } from "./scenarios/producing.js";
import { reading } from "./scenarios/reading.js";

export const scenarios: readonly Scenario[] = [
  ...positions,
  ...commits,
  ...eagerGroups,
  ...cooperativeGroups,
  ...membership,
  ...reading,
  ...producing,
];
