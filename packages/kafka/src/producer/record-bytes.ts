import type { OutgoingRecord } from "../client/port.js";

/** What key, value and headers of an encoded record take. */
export const recordBytes = ({ key, value, headers }: OutgoingRecord): number => {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  if (headers) for (const [name, each] of headers) bytes += name.length + (each?.length ?? 0);
  return bytes;
};
