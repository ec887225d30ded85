import * as kafka from "@millrace/kafka";
import * as kafkaTestkit from "@millrace/kafka-testkit";
import * as streams from "@millrace/streams";
import * as streamsTestkit from "@millrace/streams-testkit";

const NO_MEMBERS = new Set(["constructor", "length", "name", "prototype"]);

const namesOf = (owner: object): readonly string[] =>
  Object.getOwnPropertyNames(owner).filter((name) => !NO_MEMBERS.has(name));

const isClass = (value: unknown): value is { readonly prototype: object } =>
  typeof value === "function" && value.toString().startsWith("class ");

/** Its own members, and those of bases that users do not see by themselves. */
const membersOfClass = (value: { readonly prototype: object }, exported: ReadonlySet<unknown>): readonly string[] => {
  const base: unknown = Object.getPrototypeOf(value);
  const inherited = isClass(base) && !exported.has(base) ? membersOfClass(base, exported) : [];
  return [...namesOf(value), ...namesOf(value.prototype), ...inherited];
};

/** What of an exported value can be called or read: `name`, or `name.member`. */
const membersOf = (name: string, value: unknown, exported: ReadonlySet<unknown>): readonly string[] => {
  if (isClass(value)) {
    // An error is what a failure is seen as.
    if (value.prototype instanceof Error) return [];
    return [...new Set(membersOfClass(value, exported))].map((member) => `${name}.${member}`);
  }
  if (typeof value === "function") return [name];
  return typeof value === "object" && value !== null ? namesOf(value).map((member) => `${name}.${member}`) : [];
};

/** Everything that users of the packages can call, by package; what only authors of stages import is not among it. */
export const publicSurface: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({ kafka, streams, "kafka-testkit": kafkaTestkit, "streams-testkit": streamsTestkit }).map(
    ([name, values]) => [
      name,
      Object.entries(values as object).flatMap(([exported, value]) =>
        membersOf(exported, value, new Set(Object.values(values as object))),
      ),
    ],
  ),
);
