// A streaming tar reader: entry by entry, data in the chunks the source gives, never a whole file in memory.
//
// An own one, because the libraries decode pax values as UTF-8: that destroys binary extended attributes
// (security.capability) and names that are not UTF-8, and they know no sparse files. Dialects as Go's archive/tar reads them.
import type { ByteName, FileTime } from "../../../ffi/tree.ts";
import { ArchiveError, type EntryType, type SparsePiece, type TarEntry } from "./entry.ts";
import { BLOCK, type Header, isZero, parseHeader } from "./header.ts";
import { type PaxRecords, parsePax, parsePaxNumber, parsePaxTime } from "./pax.ts";
import { checkPieces, mapOfData, mapOfHeader, mapOfRecords } from "./sparse.ts";

const TYPES: Readonly<Record<string, EntryType>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "1": "link",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/** Longest extended header or long name that is read: what Go's archive/tar takes. */
const SPECIAL_LIMIT = 1 << 20;

const XATTR = "SCHILY.xattr.";

export class TarReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Bytes of the current entry's data that were not read yet, and the padding behind them. */
  #left = 0;
  #padding = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next entry; what is left of the last one is skipped. Undefined at the archive's end. Throws ArchiveError. */
  async next(): Promise<TarEntry | undefined> {
    let records: PaxRecords = new Map();
    let longName: string | undefined;
    let longLink: string | undefined;
    for (;;) {
      await this.#skip(this.#left);
      // docker CLI 28 does not finish the archive of a build whose Dockerfile lies outside the context.
      const ended = !(await this.#pass(this.#padding));
      this.#left = this.#padding = 0;
      if (ended) return undefined;
      const block = await this.#header();
      if (!block) return undefined;
      const header = parseHeader(block);
      switch (header.flag) {
        case "x":
          records = parsePax(await this.#special(header.size));
          continue;
        case "g":
          // Global records are not applied to the entries, as Go's reader and with it containerd do.
          await this.#special(header.size);
          continue;
        case "L":
          longName = (await this.#special(header.size)).split("\0")[0];
          continue;
        case "K":
          longLink = (await this.#special(header.size)).split("\0")[0];
          continue;
      }
      return await this.#entry(header, block, records, longName, longLink);
    }
  }

  /** The next chunk of the current entry's data; undefined at its end. The chunk is valid until the next call. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) return undefined;
    if (this.#at === this.#chunk.length && !(await this.#fill())) throw truncated();
    const end = Math.min(this.#chunk.length, this.#at + this.#left);
    const data = this.#chunk.subarray(this.#at, end);
    this.#left -= data.length;
    this.#at = end;
    return data;
  }

  /** Reads whatever follows the archive, so that a hash over the source sees all of it. */
  async drain(): Promise<void> {
    while (await this.#fill()) {}
    this.#at = this.#chunk.length;
  }

  /** Lets go of the source before its end. */
  async cancel(): Promise<void> {
    await this.#source.return?.();
  }

  async #fill(): Promise<boolean> {
    for (;;) {
      const { value, done } = await this.#source.next();
      if (done) return false;
      if (value.length === 0) continue;
      this.#chunk = value;
      this.#at = 0;
      return true;
    }
  }

  async #skip(count: number): Promise<void> {
    if (!(await this.#pass(count))) throw truncated();
  }

  /** Goes on by `count` bytes; false when the source ends before. */
  async #pass(count: number): Promise<boolean> {
    let left = count;
    while (left > 0) {
      if (this.#at === this.#chunk.length && !(await this.#fill())) return false;
      const step = Math.min(left, this.#chunk.length - this.#at);
      this.#at += step;
      left -= step;
    }
    return true;
  }

  /** Exactly `count` bytes; undefined when the source ends before the first of them. */
  async #take(count: number): Promise<Uint8Array | undefined> {
    if (this.#chunk.length - this.#at >= count) {
      this.#at += count;
      return this.#chunk.subarray(this.#at - count, this.#at);
    }
    const whole = new Uint8Array(count);
    let got = 0;
    while (got < count) {
      if (this.#at === this.#chunk.length && !(await this.#fill())) {
        if (got === 0) return undefined;
        throw truncated();
      }
      const piece = this.#chunk.subarray(this.#at, this.#at + count - got);
      whole.set(piece, got);
      got += piece.length;
      this.#at += piece.length;
    }
    return whole;
  }

  async #must(count: number): Promise<Uint8Array> {
    const bytes = await this.#take(count);
    if (!bytes) throw truncated();
    return bytes;
  }

  /** The next header block; undefined at two zero blocks, or where the source ends in place of them. */
  async #header(): Promise<Uint8Array | undefined> {
    const block = await this.#take(BLOCK);
    if (!block || !isZero(block)) return block;
    const second = await this.#take(BLOCK);
    if (second && !isZero(second)) throw new ArchiveError("archive/tar: invalid tar header");
    return undefined;
  }

  async #special(size: number): Promise<string> {
    if (size > SPECIAL_LIMIT) {
      throw new ArchiveError("archive/tar: header field too long");
    }
    const data = size === 0 ? "" : Buffer.from(await this.#must(size)).toString("latin1");
    await this.#skip(padding(size));
    return data;
  }

  async #entry(
    header: Header,
    block: Uint8Array,
    records: PaxRecords,
    longName: ByteName | undefined,
    longLink: ByteName | undefined,
  ): Promise<TarEntry> {
    // An empty value takes a record back: the header's own field counts. POSIX pax.
    const record = (key: string) => records.get(key) || undefined;
    const name = record("GNU.sparse.name") ?? record("path") ?? longName ?? header.name;
    let type = TYPES[header.flag];
    if (type === undefined) {
      throw new ArchiveError(
        `unhandled tar header type ${header.flag.charCodeAt(0)} of ${JSON.stringify(name)}`,
      );
    }
    if (header.flag === "\0" && name.endsWith("/")) type = "directory";
    const attributes = new Map<ByteName, Uint8Array>();
    for (const [key, value] of records) {
      if (key.startsWith(XATTR)) attributes.set(key.slice(XATTR.length), Buffer.from(value, "latin1"));
    }
    const number = (key: string, otherwise: number) => {
      const value = record(key);
      return value === undefined ? otherwise : parsePaxNumber(value);
    };
    const atime = record("atime");
    const entry: TarEntry = {
      name,
      type,
      mode: header.mode,
      uid: number("uid", header.uid),
      gid: number("gid", header.gid),
      size: type === "file" ? number("size", header.size) : 0,
      mtime: time(record("mtime"), header.mtime),
      atime: atime === undefined ? undefined : parsePaxTime(atime),
      linkName: record("linkpath") ?? longLink ?? header.linkName,
      devMajor: header.devMajor,
      devMinor: header.devMinor,
      attributes,
    };
    this.#left = entry.size;
    this.#padding = padding(entry.size);
    if (type === "file") await this.#sparse(entry, header, block, records);
    return entry;
  }

  async #sparse(entry: TarEntry, header: Header, block: Uint8Array, records: PaxRecords): Promise<void> {
    let pieces: SparsePiece[];
    if (header.flag === "S" && header.dialect === "gnu") {
      // The block may lie in a chunk that the extension blocks replace.
      const map = await mapOfHeader(block.slice(), () => this.#must(BLOCK));
      pieces = map.pieces;
      entry.size = map.size;
    } else if (records.get("GNU.sparse.major") === "1") {
      const map = await mapOfData(() => this.#must(BLOCK));
      pieces = map.pieces;
      this.#left -= map.bytes;
      entry.size = parsePaxNumber(records.get("GNU.sparse.realsize") ?? "");
    } else if (records.has("GNU.sparse.map") || records.has("GNU.sparse.size")) {
      pieces = mapOfRecords(records);
      entry.size = parsePaxNumber(records.get("GNU.sparse.size") ?? "");
    } else {
      return;
    }
    entry.pieces = checkPieces(pieces, entry.size);
    const data = pieces.reduce((sum, piece) => sum + piece.size, 0);
    if (data !== this.#left) throw new ArchiveError("archive/tar: invalid tar header: malformed sparse map");
  }
}

const truncated = () => new ArchiveError("unexpected EOF: the archive is cut off");

const padding = (size: number) => (BLOCK - (size % BLOCK)) % BLOCK;

const time = (value: string | undefined, otherwise: number): FileTime =>
  value === undefined ? { seconds: otherwise, nanoseconds: 0 } : parsePaxTime(value);
