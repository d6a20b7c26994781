// Header blocks of the archives we write: ustar where it suffices, pax records for whatever it cannot say.
import type { EntryType, TarEntry } from "./entry.ts";
import { BLOCK, checksum } from "./header.ts";
import { paxRecord } from "./pax.ts";

const FLAGS: Readonly<Record<EntryType, string>> = {
  file: "0",
  link: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** Zero bytes that end an archive. */
export const END = new Uint8Array(2 * BLOCK);

export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

const fits = (value: number, digits: number) => value >= 0 && value < 8 ** digits;

interface Fields {
  name: string;
  prefix: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  flag: string;
  linkName: string;
  devMajor: number;
  devMinor: number;
}

function block(fields: Fields): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (offset: number, digits: number, value: number) =>
    bytes.write(value.toString(8).padStart(digits, "0"), offset, "latin1");
  bytes.write(fields.name, 0, 100, "latin1");
  octal(100, 7, fields.mode);
  octal(108, 7, fields.uid);
  octal(116, 7, fields.gid);
  octal(124, 11, fields.size);
  octal(136, 11, fields.mtime);
  bytes.write(fields.flag, 156, "latin1");
  bytes.write(fields.linkName, 157, 100, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  octal(329, 7, fields.devMajor);
  octal(337, 7, fields.devMinor);
  bytes.write(fields.prefix, 345, 155, "latin1");
  bytes.write(`${checksum(bytes).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

/** Splits a name at a slash into ustar's prefix and name; undefined when it does not fit or is no ASCII. */
function split(name: string): { name: string; prefix: string } | undefined {
  if (!/^[\x01-\x7f]*$/.test(name)) return undefined;
  if (name.length <= 100) return { name, prefix: "" };
  const slash = name.indexOf("/", Math.max(name.length - 101, 0));
  if (slash <= 0 || slash > 155 || slash === name.length - 1) return undefined;
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) };
}

/** The header of one entry: one block, or an extended header in front of it. The data follows, padded to blocks. */
export function encodeHeader(entry: TarEntry): Uint8Array {
  let records = "";
  const number = (key: string, value: number, digits: number) => {
    if (fits(value, digits)) return value;
    records += paxRecord(key, String(value));
    return 0;
  };
  const place = split(entry.name);
  if (!place) records += paxRecord("path", entry.name);
  let linkName = entry.linkName;
  if (linkName.length > 100 || !/^[\x01-\x7f]*$/.test(linkName)) {
    records += paxRecord("linkpath", linkName);
    linkName = "";
  }
  const { seconds, nanoseconds } = entry.mtime;
  const whole = nanoseconds === 0 && fits(seconds, 11);
  if (!whole) records += paxRecord("mtime", paxTime(seconds, nanoseconds));
  const fields: Fields = {
    ...(place ?? { name: entry.name.replace(/[^\x01-\x7f]/g, "").slice(-100), prefix: "" }),
    mode: entry.mode & 0o7777,
    uid: number("uid", entry.uid, 7),
    gid: number("gid", entry.gid, 7),
    size: number("size", entry.size, 11),
    mtime: fits(seconds, 11) ? seconds : 0,
    flag: FLAGS[entry.type],
    linkName,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
  };
  for (const [key, value] of entry.attributes) {
    records += paxRecord(`SCHILY.xattr.${key}`, Buffer.from(value).toString("latin1"));
  }
  const header = block(fields);
  if (records === "") return header;
  const extended = block({
    ...fields,
    // The customary name of an extended header, for readers that do not know pax.
    name: `PaxHeaders.0/${fields.name.split("/").filter(Boolean).at(-1) ?? ""}`.slice(0, 100),
    prefix: "",
    mode: 0,
    uid: 0,
    gid: 0,
    size: records.length,
    mtime: 0,
    flag: "x",
    linkName: "",
    devMajor: 0,
    devMinor: 0,
  });
  return Buffer.concat([
    extended,
    Buffer.from(records, "latin1"),
    Buffer.alloc(paddingOf(records.length)),
    header,
  ]);
}

/** Seconds with a fraction, as POSIX pax writes times. The kernel counts nanoseconds upwards from a negative second. */
function paxTime(seconds: number, nanoseconds: number): string {
  const [sign, whole, rest] =
    seconds < 0 && nanoseconds > 0 ? ["-", -seconds - 1, 1e9 - nanoseconds] : ["", seconds, nanoseconds];
  const fraction = String(rest).padStart(9, "0").replace(/0+$/, "");
  return `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}
