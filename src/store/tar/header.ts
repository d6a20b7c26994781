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
  const raw = Buffer.from(block.buffer, block.byteOffset + offset, length);
  const end = raw.indexOf(0);
  return raw.toString("latin1", 0, end < 0 ? length : end);
}

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
  const digits = text(block, offset, length).replace(/^[ \0]+|[ \0]+$/g, "");
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw new ArchiveError("archive/tar: invalid tar header");
  return Number.parseInt(digits, 8);
}

/** Whether a block is all zeros, which ends an archive. */
export function isZero(block: Uint8Array): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** The sum over a header with its checksum field as blanks; some old programs summed signed bytes. */
function sums(block: Uint8Array): [unsigned: number, signed: number] {
  let unsigned = 8 * 32;
  let signed = 8 * 32;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = block[i]!;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return [unsigned, signed];
}

export const checksum = (block: Uint8Array): number => sums(block)[0];

function dialectOf(block: Uint8Array): Dialect {
  const magic = Buffer.from(block.buffer, block.byteOffset + 257, 8).toString("latin1");
  if (magic === "ustar  \0") return "gnu";
  if (!magic.startsWith("ustar\0")) return "v7";
  return text(block, 508, 4) === "tar" ? "star" : "ustar";
}

/** Reads a header block. Throws ArchiveError when it is none. */
export function parseHeader(block: Uint8Array): Header {
  const sum = number(block, 148, 8);
  if (!sums(block).includes(sum)) throw new ArchiveError("archive/tar: invalid tar header");
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
