import { isHeaderText } from "../client/header-text.js";
import type { Headers } from "../client/port.js";

/** In front of the name of a header whose value is written as base64, as the driver sends only text. */
export const BASE64 = "millrace-b64-";

/** Headers that a driver without bytes in headers can send: the other values as base64, in their places. */
export const sendableHeaders = (headers: Headers): Headers =>
  headers.map(([name, value]) => {
    if (value !== null && isHeaderText(value)) return [name, value];
    return [`${BASE64}${name}`, Buffer.from((value ?? Buffer.alloc(0)).toString("base64"))];
  });
