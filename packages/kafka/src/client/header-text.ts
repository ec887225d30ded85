import { isUtf8 } from "node:buffer";

/** Whether a driver that sends only text in headers can send it: UTF-8 without NUL. */
export const isHeaderText = (value: Buffer): boolean => !value.includes(0) && isUtf8(value);
