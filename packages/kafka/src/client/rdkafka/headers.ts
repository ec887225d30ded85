import { isUtf8 } from "node:buffer";
import { KafkaConnectorError } from "../../errors.js";
import type { Headers } from "../port.js";
import type { NativeHeaders, NativeMessage } from "./native.js";

const NONE: Headers = Object.freeze([]);

// With the flag `u`, a surrogate matches only where its other half is missing.
const BROKEN_NAME = /[\0\ud800-\udfff]/u;

/**
 * Headers in node-rdkafka's shape. It decodes each value as UTF-8, cuts it at the first NUL and writes `null` as the text
 * "null", so whatever would not arrive as it left is refused. Other bindings take bytes, but no `null` either.
 */
export function toNativeHeaders(headers: Headers, takesBytes = false): NativeHeaders {
  const native: Record<string, string | Buffer>[] = [];
  for (const [name, value] of headers) {
    const reason = refusal(name, value, takesBytes);
    if (reason !== undefined) {
      throw new KafkaConnectorError(
        "INVALID_RECORD",
        `Header ${JSON.stringify(name)} ${reason}, which the client cannot send intact. Encode it as text, for example base64.`,
      );
    }
    const buffer = value as Buffer;
    // A computed key, so that a header named `__proto__` is a header.
    native.push({ [name]: takesBytes && buffer.length > 0 ? buffer : buffer.toString("utf8") });
  }
  return native;
}

function refusal(name: string, value: Buffer | null, takesBytes: boolean): string | undefined {
  if (typeof name !== "string" || BROKEN_NAME.test(name)) return "has a name with a NUL or half a surrogate pair";
  if (value === null) return "is null";
  if (!(value instanceof Uint8Array)) return "is not a Buffer";
  if (takesBytes) return undefined;
  if (value.includes(0)) return "contains a NUL byte";
  return isUtf8(value) ? undefined : "is not valid UTF-8";
}

/** node-rdkafka gives one object with one property per header. */
export function fromNativeHeaders(headers: NativeMessage["headers"]): Headers {
  if (headers === undefined || headers.length === 0) return NONE;
  return headers.map((header) => {
    // It assigns the property, so a header named `__proto__` has become the object's prototype.
    for (const name of Object.keys(header)) return [name, header[name] as Buffer];
    return ["__proto__", Object.getPrototypeOf(header) as Buffer];
  });
}
