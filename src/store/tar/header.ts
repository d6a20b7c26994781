// The 512-byte header block: POSIX ustar, GNU's variant and old v7. man 5 tar; POSIX pax, "ustar Interchange Format".
import { ArchiveError } from "./entry.ts";

export const BLOCK = 512;

/** Which of the three dialects a header is written in: it says what the last 167 bytes mean. */
export type Dialect = "v7" | "ustar" | "star" | "gnu";

export interface Header {
  name: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  /** The type flag's character, "\0" for v7's plain file. */
  flag: string;
  linkName: string;
  dialect: Dialect;
  devMajor: number;
  devMinor: number;
}

/** Text up to the first NUL. */
export function text(block: Uint8Array, offset: number, length: number): string {
  let end = offset;
  while (end < offset + length && block[end] !== 0) end++;
  // Most of these fields are empty.
  if (end === offset) return "";
  return Buffer.from(block.buffer, block.byteOffset + offset, end - offset).toString("latin1");
}

const invalid = () => new ArchiveError("archive/tar: invalid tar header");

/** A number field: octal text, or GNU's base 256 when the first bit is set. Throws ArchiveError. */
export function number(block: Uint8Array, offset: number, length: number): number {
  const first = block[offset]!;
  if (first & 0x80) {
    // Two's complement, big-endian; the marker bit is not part of it, bit 6 is its sign.
    let value = BigInt(first & 0x40 ? (first & 0x7f) - 0x80 : first & 0x7f);
    for (let i = 1; i < length; i++) value = (value << 8n) | BigInt(block[offset + i]!);
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
      throw new ArchiveError("archive/tar: invalid tar header: number out of range");
    }
    return Number(value);
  }
  // Digits between blanks and NULs, up to the first NUL behind them.
  let at = offset;
  let end = offset + length;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++;
  for (let nul = at; nul < end; nul++) if (block[nul] === 0) end = nul;
  while (end > at && block[end - 1] === 0x20) end--;
  let value = 0;
  for (; at < end; at++) {
    const digit = block[at]! - 0x30;
    if (digit < 0 || digit > 7) throw invalid();
    value = value * 8 + digit;
  }
  return value;
}

/** Whether a block is all zeros, which ends an archive. */
export function isZero(block: Uint8Array): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** The sum over a header with its checksum field as blanks. */
function unsignedSum(block: Uint8Array): number {
  let sum = 8 * 32;
  for (let i = 0; i < 148; i++) sum += block[i]!;
  for (let i = 156; i < BLOCK; i++) sum += block[i]!;
  return sum;
}

/** Some old programs summed signed bytes. */
function signedSum(block: Uint8Array): number {
  let sum = unsignedSum(block);
  for (let i = 0; i < BLOCK; i++) if ((i < 148 || i >= 156) && block[i]! > 127) sum -= 256;
  return sum;
}

export const checksum = (block: Uint8Array): number => unsignedSum(block);

function dialectOf(block: Uint8Array): Dialect {
  const magic = Buffer.from(block.buffer, block.byteOffset + 257, 8).toString("latin1");
  if (magic === "ustar  \0") return "gnu";
  if (!magic.startsWith("ustar\0")) return "v7";
  return text(block, 508, 4) === "tar" ? "star" : "ustar";
}

/** Reads a header block. Throws ArchiveError when it is none. */
export function parseHeader(block: Uint8Array): Header {
  const sum = number(block, 148, 8);
  if (sum !== unsignedSum(block) && sum !== signedSum(block)) throw invalid();
  const dialect = dialectOf(block);
  const prefix =
    dialect === "ustar" ? text(block, 345, 155) : dialect === "star" ? text(block, 345, 131) : "";
  const name = text(block, 0, 100);
  const size = number(block, 124, 12);
  if (size < 0) throw new ArchiveError("archive/tar: invalid tar header: negative size");
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size,
    mtime: number(block, 136, 12),
    flag: String.fromCharCode(block[156]!),
    linkName: text(block, 157, 100),
    dialect,
    devMajor: dialect === "v7" ? 0 : number(block, 329, 8),
    devMinor: dialect === "v7" ? 0 : number(block, 337, 8),
  };
}
