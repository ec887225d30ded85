import { isHeaderText } from "../header-text.js";
import type { Headers } from "../port.js";
import { invalidRecord } from "../invalid-record.js";
import type { NativeHeaders, NativeMessage } from "./native.js";

const NONE: Headers = Object.freeze([]);

// With the flag `u`, a surrogate matches only where its other half is missing.
const BROKEN_NAME = /[\0\ud800-\udfff]/u;

/** Without memory: bindings that take bytes have no other way to say `null`, and take a string for empty bytes. */
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Headers in the shape of the bindings. node-rdkafka decodes each value as UTF-8, cuts it at the first NUL and writes `null`
 * as the text "null", so whatever would not arrive as it left is refused; `takesBytes`: the binding sends any value.
 */
export function toNativeHeaders(topic: string, headers: Headers, takesBytes = false): NativeHeaders {
  return headers.map(([name, value]): Record<string, string | Buffer> => {
    const reason = refusal(name, value, takesBytes);
    if (reason !== undefined) {
      throw invalidRecord(topic, `header ${JSON.stringify(name)} ${reason}`);
    }
    // A computed key, so that a header named `__proto__` is a header.
    if (value === null) return { [name]: NOTHING };
    return { [name]: takesBytes && value.length > 0 ? value : value.toString("utf8") };
  });
}

const INSTEAD =
  "which node-rdkafka cannot send intact. Use `confluentDriver`, which can, or encode the value as text, for example base64";

function refusal(name: string, value: Buffer | null, takesBytes: boolean): string | undefined {
  if (typeof name !== "string" || BROKEN_NAME.test(name)) {
    return "has a name with a NUL or half a surrogate pair, which no client sends intact. Correct the name";
  }
  if (value !== null && !Buffer.isBuffer(value)) return "is no Buffer. Encode it first";
  if (takesBytes) return undefined;
  if (value === null) return `is null, ${INSTEAD}`;
  if (isHeaderText(value)) return undefined;
  return value.includes(0) ? `contains a NUL byte, ${INSTEAD}` : `is not valid UTF-8, ${INSTEAD}`;
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
