import { KafkaConnectorError } from "../../errors/errors.js";
import type { Build, NativeError } from "./native.js";

/** The codecs that librdkafka is built with or without, and what it needs for each. The others are its own. */
const LIBRARIES: ReadonlyMap<string, string> = new Map([
  ["gzip", "zlib (zlib1g-dev on Debian, zlib-dev on Alpine)"],
  ["zstd", "libzstd (libzstd-dev on Debian, zstd-dev on Alpine, zstd of Homebrew)"],
]);

const remedy = (codecs: readonly string[], client: string): string =>
  `Install ${codecs.map((codec) => LIBRARIES.get(codec)).join(" and ")} and build ${client} again, for it takes what it finds when it is built; or use another codec.`;

/**
 * Why records cannot be read that librdkafka says it does not implement; `undefined` where it was built with every codec,
 * so that it is something else.
 */
export function codecMissing(
  build: Build,
  topics: string,
  cause: NativeError,
  clientCode: number,
): KafkaConnectorError | undefined {
  const missing = [...LIBRARIES.keys()].filter((codec) => !build.features.includes(codec));
  if (missing.length === 0) return undefined;
  return new KafkaConnectorError(
    "CODEC_MISSING",
    `The consumer could not read${topics}: the records are compressed by ${missing.join(" or ")}, which ${build.name} was built without. ${remedy(missing, build.name)}`,
    { clientCode, cause },
  );
}

/** What to do about a codec that properties ask for, where librdkafka says that it was built without. */
export function codecRemedy(error: NativeError): string | undefined {
  const { message } = error as { readonly message?: unknown };
  const [, codec] = /^Unsupported value "(\w+)" for configuration property "compression/.exec(String(message)) ?? [];
  return codec !== undefined && LIBRARIES.has(codec) ? remedy([codec], "the client") : undefined;
}
