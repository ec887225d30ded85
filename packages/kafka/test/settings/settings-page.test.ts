import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { z } from "zod";
import { sharedConsumerSchema } from "../../src/consumer/shared/shared-consumer.js";
import { askingSchema } from "../../src/settings/asking-settings.js";
import { schemas } from "../../src/settings/parse.js";

interface Row {
  readonly name: string;
  readonly fallback: string;
  readonly unit: string;
  readonly meaning: string;
}

const ROW = /^\| `(?<name>[^`]+)` \| (?<type>[^|]+) \| (?<fallback>[^|]+) \| (?<unit>[^|]*)\| (?<meaning>[^|]+) \|$/;

const rowOf = (line: string): Row => {
  const { name = "", fallback = "", unit = "", meaning = "" } = ROW.exec(line)?.groups ?? {};
  if (name === "") throw new Error(`a row that is no setting: ${line}`);
  return { name, fallback: fallback.trim(), unit: unit.trim(), meaning: meaning.trim() };
};

/** The rows below each heading. */
const documented = (page: string): ReadonlyMap<string, readonly Row[]> =>
  new Map(
    page.split(/^## /m).map((section) => {
      const [heading = "", ...lines] = section.split("\n");
      const rows = lines.filter((line) => line.startsWith("| ") && !/^\| (Name|---) /.test(line));
      return [heading, rows.map(rowOf)];
    }),
  );

/** The objects among what a schema takes; `whole`: it takes other values too. */
const objectsIn = (schema: z.ZodType): { readonly objects: readonly z.ZodObject[]; readonly whole: boolean } => {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return objectsIn(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodObject) return { objects: [schema], whole: false };
  if (schema instanceof z.ZodPipe) return { objects: objectsIn(schema.out as z.ZodType).objects, whole: true };
  if (schema instanceof z.ZodUnion) {
    return { objects: (schema.options as z.ZodType[]).flatMap((each) => objectsIn(each).objects), whole: true };
  }
  return { objects: [], whole: true };
};

/** Where another section lists the fields, or the object is one value of several. */
const OPAQUE = new Set(["kafka", "security", "startAt", "until"]);

/** Each setting with its default, `undefined` where the schema has none. */
const settingsOf = (schema: z.ZodObject, prefix = ""): ReadonlyMap<string, unknown> => {
  const settings = new Map<string, unknown>();
  for (const [key, field] of Object.entries(schema.shape) as [string, z.ZodType][]) {
    const name = `${prefix}${key}`;
    const { objects, whole } = OPAQUE.has(name) ? { objects: [], whole: true } : objectsIn(field);
    if (whole) settings.set(name, field.safeParse(undefined).data);
    for (const object of objects)
      for (const [inner, value] of settingsOf(object, `${name}.`)) settings.set(inner, value);
  }
  return settings;
};

const written = (value: unknown): string => `\`${String(value)}\``;

describe("the page of settings", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../../docs/guide/settings.md"), "utf8");
  const sections = documented(page);
  const rowsOf = (...headings: readonly string[]): readonly Row[] =>
    headings.flatMap((heading) => sections.get(heading) ?? []);

  const kafka = objectsIn(schemas.kafka).objects[0];
  const checked: readonly [what: string, rows: readonly Row[], schema: z.ZodType | undefined][] = [
    ["kafka", rowsOf("kafka"), kafka],
    ["security", rowsOf("security"), kafka?.shape["security"] as z.ZodType | undefined],
    ["sources", rowsOf("Sources", "Rebalance"), schemas.consumer],
    ["shared consumers", rowsOf("Shared consumers"), sharedConsumerSchema],
    ["producers", rowsOf("Producers"), schemas.producer],
    ["metadata and admin clients", rowsOf("Metadata and admin"), askingSchema],
    ["committers", rowsOf("Committers"), schemas.committer],
  ];
  for (const [what, rows, schema] of checked) {
    const [object] = schema === undefined ? [] : objectsIn(schema).objects;
    if (object === undefined) throw new Error(`${what} has no schema with fields`);
    const settings = settingsOf(object);

    it(`lists the settings of ${what}, each once, and no other`, () => {
      expect(rows.map(({ name }) => name).sort()).to.deep.equal([...settings.keys()].sort());
    });

    it(`says the defaults of ${what} as they are`, () => {
      const wrong = rows.filter(({ name, fallback }) => {
        const value = settings.get(name);
        return value === undefined ? /^`(\d|true|false)/.test(fallback) : fallback !== written(value);
      });
      expect(wrong).to.deep.equal([]);
    });

    it(`gives the unit of every duration among the settings of ${what}`, () => {
      expect(rows.filter(({ name, unit }) => /(Ms|\.ms)$/.test(name) !== (unit === "ms"))).to.deep.equal([]);
    });
  }

  it("has a row for a default that no schema has", () => {
    expect(rowsOf("kafka").find(({ name }) => name === "clientId")?.fallback).to.equal("`millrace`");
  });
});
