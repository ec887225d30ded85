import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import { nearestName, unlikeName } from "./nearest-name.js";

/** The schemas inside a schema. */
const within = (schema: unknown): readonly unknown[] => {
  if (schema instanceof z.ZodObject) return Object.values(schema.shape);
  if (schema instanceof z.ZodUnion) return schema.options;
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodPipe) return [schema.in, schema.out];
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? [schema.unwrap()] : [];
};

/** The names of all fields that a schema knows, at any depth. */
export const namesIn = (schema: unknown): readonly string[] => [
  ...(schema instanceof z.ZodObject ? Object.keys(schema.shape) : []),
  ...within(schema).flatMap(namesIn),
];

type Issue = z.core.$ZodIssue;

/** What fields are called. */
export interface SettingNames {
  /** Anywhere. */
  readonly known: ReadonlySet<string>;
  /** In `kafka`, which describes a connection. */
  readonly ofKafka: ReadonlySet<string>;
}

/** Where a name misplaced at `path` belongs: settings of a connection stand inside `kafka`, the others beside it. */
const placeFor = (name: string, path: readonly PropertyKey[], ofKafka: ReadonlySet<string>): string => {
  if (path.length === 0 && ofKafka.has(name)) return " (it belongs into kafka)";
  return path[0] === "kafka" && path.length === 1 && !ofKafka.has(name)
    ? " (it belongs beside kafka, not into it)"
    : "";
};

const misnamed = (name: string, path: readonly PropertyKey[], names: SettingNames): string => {
  const meant = nearestName(name, names.known);
  if (meant === undefined) return unlikeName(name);
  return meant === name ? `"${name}"${placeFor(name, path, names.ofKafka)}` : `"${name}" (did you mean "${meant}"?)`;
};

/** Why a value is most often missing. */
export const FROM_ENVIRONMENT = "Where it comes from an environment variable, that is not set.";

/** For what is missing in settings the message can say more than for what is missing elsewhere. */
const unsetIn = (issue: Issue): string | undefined => {
  if (issue.code !== "invalid_type") return undefined;
  if (issue.message.endsWith("received undefined")) return `not set; expected ${issue.expected}. ${FROM_ENVIRONMENT}`;
  if (!issue.message.endsWith("received NaN")) return undefined;
  return "not a number: NaN, as Number() answers for a text that is none, or for an environment variable that is not set";
};

const messageOf = (issue: Issue, names: SettingNames): string =>
  issue.code === "unrecognized_keys"
    ? `There is no such setting here: ${issue.keys.map((key) => misnamed(key, issue.path, names)).join(", ")}`
    : issue.message;

/** What is wrong with settings, by field. A name that is none of a setting's is not repeated: it may be a secret. */
export const issuesInText = (issues: readonly Issue[], names: SettingNames): string =>
  z.prettifyError({
    issues: issues.map((issue) => ({
      ...issue,
      message: messageOf(issue, names),
      path: issue.path.map((key) => (typeof key === "number" || names.known.has(String(key)) ? key : "…")),
    })),
  });

/** An `INVALID_SETTINGS` for what a schema refused; without a cause, which would repeat what was given. */
export const settingsError = (issues: readonly Issue[], call: string, names: SettingNames): KafkaConnectorError => {
  const explained = issues.map((issue) => ({ ...issue, message: unsetIn(issue) ?? issue.message }));
  return new KafkaConnectorError("INVALID_SETTINGS", `${call}: ${issuesInText(explained, names)}`);
};
