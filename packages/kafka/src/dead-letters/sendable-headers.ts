import { isUtf8 } from "node:buffer";
import type { Headers } from "../client/port.js";

/** In front of the name of a header whose value is written as base64, as the driver sends only text. */
export const BASE64 = "millrace-b64-";

const isText = (value: Buffer): boolean => !value.includes(0) && isUtf8(value);

/** Headers that a driver without bytes in headers can send: the other values as base64, in their places. */
export const sendableHeaders = (headers: Headers): Headers =>
  headers.map(([name, value]) => {
    if (value !== null && isText(value)) return [name, value];
    return [`${BASE64}${name}`, Buffer.from((value ?? Buffer.alloc(0)).toString("base64"))];
  });
