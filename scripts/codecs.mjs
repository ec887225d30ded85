// Says in one line which codecs a client was built with.
//   node scripts/codecs.mjs [package]
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** Each with what it needs when librdkafka is built, by Debian's name; the others are its own. */
const CODECS = { gzip: "zlib1g-dev", snappy: undefined, lz4: undefined, zstd: "libzstd-dev" };
const AGAIN = "rm -rf node_modules && npx --yes pnpm@10.34.9 install";

const featuresOf = (name) => {
  const loaded = createRequire(import.meta.url)(name);
  return (loaded.RdKafka ?? loaded).features;
};

const line = (name) => {
  const features = featuresOf(name);
  const codecs = Object.keys(CODECS);
  const has = codecs.filter((codec) => features.includes(codec));
  const missing = codecs.filter((codec) => !has.includes(codec));
  const said = `${name} reads and writes records compressed by ${has.join(", ")}`;
  if (missing.length === 0) return said;
  const libraries = missing.map((codec) => CODECS[codec]).join(", ");
  return `${said}; not by ${missing.join(", ")}, which needs ${libraries} and another build: ${AGAIN}`;
};

export const tellCodecs = (name) => {
  try {
    console.log(line(name));
  } catch (error) {
    console.log(`${name} cannot be loaded: ${String(error).split("\n")[0]}`);
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) tellCodecs(process.argv[2] ?? "node-rdkafka");
