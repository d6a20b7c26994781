// Pax extended headers: records "LENGTH KEY=VALUE\n" that override a header's fields. POSIX pax, "pax Extended Header".
import type { FileTime } from "../../../ffi/tree.ts";
import { ArchiveError } from "./entry.ts";

export type PaxRecords = Map<string, string>;

const invalid = () => new ArchiveError("archive/tar: invalid tar header: malformed pax record");

/** Reads the records of one extended header. Values are byte strings: an extended attribute's are binary. */
export function parsePax(data: string): PaxRecords {
  const records: PaxRecords = new Map();
  // GNU.sparse 0.0 repeats offset and numbytes; they become one list, as in 0.1's GNU.sparse.map.
  const map: string[] = [];
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(" ", at);
    const length = Number(data.slice(at, space));
    if (space < 0 || !/^[0-9]+$/.test(data.slice(at, space)) || data[at + length - 1] !== "\n")
      throw invalid();
    const record = data.slice(space + 1, at + length - 1);
    const equals = record.indexOf("=");
    if (equals <= 0) throw invalid();
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") map.push(value);
    else records.set(key, value);
    at += length;
  }
  if (map.length > 0) records.set("GNU.sparse.map", map.join(","));
  return records;
}

/** "1350244992.023960108" → seconds and nanoseconds; a negative time counts its nanoseconds upwards, as the kernel does. */
export function parsePaxTime(value: string): FileTime {
  const match = /^(-?)([0-9]+)(?:\.([0-9]*))?$/.exec(value);
  if (!match) throw invalid();
  const nanoseconds = Number((match[3] ?? "").padEnd(9, "0").slice(0, 9));
  const seconds = Number(match[2]);
  if (match[1] === "") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

/** A decimal, non-negative number of a record. */
export function parsePaxNumber(value: string): number {
  const parsed = Number(value);
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(parsed)) throw invalid();
  return parsed;
}

/** One record with its own length in front (which counts its own digits). */
export function paxRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}
