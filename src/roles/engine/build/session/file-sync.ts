// A directory of the client's as a tar stream: what fsutil's receiver does on disk is done by our own unpacking, which keeps
// whatever comes inside of its directory.
import { toByteName } from "../../../../../ffi/tree.ts";
import { END, encodeHeader, paddingOf } from "../../../../store/tar/encode.ts";
import type { EntryType, TarEntry } from "../../../../store/tar/entry.ts";
import { FileSync } from "../../../../wire/gen/buildkit/filesync_pb.ts";
import {
  Packet_PacketType as Kind,
  type PacketSchema,
  type Stat,
} from "../../../../wire/gen/buildkit/fsutil_pb.ts";
import type { Call } from "../../../../wire/grpc/connection.ts";
import type { ClientSession } from "./client-session.ts";

export interface TreeRequest {
  /** Only these, with Go's globs. */
  include?: readonly string[];
  /** .dockerignore's patterns. */
  exclude?: readonly string[];
  /** Only these paths and what their symlinks lead to. */
  follow?: readonly string[];
  signal?: AbortSignal;
  /** Bytes of files that have come so far. */
  onBytes?(total: number): void;
}

/** Contents that may be under way at once, in bytes: what comes out of turn is held in memory. */
const AHEAD = 4 << 20;

// Go's os.FileMode
const TYPES: readonly [bit: number, type: EntryType][] = [
  [1 << 31, "directory"],
  [1 << 27, "symlink"],
  // A character device is a device too, and has both bits.
  [1 << 21, "char"],
  [1 << 26, "block"],
  [1 << 25, "fifo"],
];
const SOCKET = 1 << 24;
const IRREGULAR = 1 << 19;

function typeOf({ mode, linkname }: Stat): EntryType | undefined {
  if (mode & (SOCKET | IRREGULAR)) return undefined;
  const found = TYPES.find(([bit]) => mode & bit);
  return found ? found[1] : linkname === "" ? "file" : "link";
}

function permissions(mode: number): number {
  const special = (mode & (1 << 23) ? 0o4000 : 0) | (mode & (1 << 22) ? 0o2000 : 0);
  return (mode & 0o777) | special | (mode & (1 << 20) ? 0o1000 : 0);
}

function entryOf(stat: Stat, type: EntryType): TarEntry {
  const nanoseconds = stat.modTime;
  const seconds = nanoseconds / 1_000_000_000n - (nanoseconds % 1_000_000_000n < 0n ? 1n : 0n);
  return {
    name: toByteName(stat.path) + (type === "directory" ? "/" : ""),
    type,
    mode: permissions(stat.mode),
    uid: stat.uid,
    gid: stat.gid,
    size: type === "file" ? Number(stat.size) : 0,
    mtime: { seconds: Number(seconds), nanoseconds: Number(nanoseconds - seconds * 1_000_000_000n) },
    linkName: toByteName(stat.linkname),
    devMajor: Number(stat.devmajor),
    devMinor: Number(stat.devminor),
    attributes: new Map(Object.entries(stat.xattrs).map(([name, value]) => [toByteName(name), value])),
  };
}

/** Values as header fields: escaped as in a query, all of a name's, when one of them is not ASCII. */
function fields(name: string, values: readonly string[] | undefined): Record<string, string[]> {
  if (!values || values.length === 0) return {};
  if (values.every((value) => /^[\x20-\x7e]*$/.test(value))) return { [name]: [...values] };
  const escaped = values.map((value) => encodeURIComponent(value).replaceAll("%20", "+"));
  return { [name]: escaped, [`${name}-encoded`]: ["1"] };
}

class Receiver {
  /** What came of files whose turn is not yet there; undefined behind the last piece. */
  readonly #early = new Map<number, (Uint8Array | undefined)[]>();
  #bytes = 0;

  constructor(
    private readonly call: Call<typeof PacketSchema, typeof PacketSchema>,
    private readonly onBytes: (total: number) => void,
  ) {}

  /** Every path of the tree, in the sender's order. */
  async stats(): Promise<Stat[]> {
    const all: Stat[] = [];
    for (;;) {
      const packet = await this.#next();
      if (packet.type !== Kind.PACKET_STAT) continue;
      if (!packet.stat) return all;
      all.push(packet.stat);
    }
  }

  request(id: number): Promise<void> {
    this.#early.set(id, []);
    return this.call.send({ type: Kind.PACKET_REQ, ID: id });
  }

  /** The pieces of one requested file. */
  async *content(id: number): AsyncGenerator<Uint8Array> {
    const pieces = this.#early.get(id)!;
    for (;;) {
      while (pieces.length > 0) {
        const piece = pieces.shift();
        if (piece === undefined) {
          this.#early.delete(id);
          return;
        }
        yield piece;
      }
      const packet = await this.#next();
      if (packet.type !== Kind.PACKET_DATA) continue;
      this.#bytes += packet.data.length;
      this.onBytes(this.#bytes);
      this.#early.get(packet.ID)?.push(packet.data.length > 0 ? packet.data : undefined);
    }
  }

  /** Says that nothing more is wanted; returns when the sender has agreed. */
  async finish(): Promise<void> {
    await this.call.send({ type: Kind.PACKET_FIN });
    this.call.end();
    while ((await this.call.receive()) !== undefined);
  }

  async #next() {
    const packet = await this.call.receive();
    if (!packet) throw new Error("the client ended the transfer of its files too early");
    if (packet.type === Kind.PACKET_ERR) {
      throw new Error(`error from sender: ${Buffer.from(packet.data).toString("utf8")}`);
    }
    return packet;
  }
}

/**
 * The client's directory `name` ("context", "dockerfile") as a tar. Throws Error in the client's words when it cannot or will
 * not send it, ServiceError when the session fails.
 */
export async function* readTree(
  session: ClientSession,
  name: string,
  { include, exclude, follow, signal, onBytes = () => {} }: TreeRequest = {},
): AsyncGenerator<Uint8Array> {
  const metadata = {
    "dir-name": name,
    ...fields("include-patterns", include),
    ...fields("exclude-patterns", exclude),
    ...fields("followpaths", follow),
  };
  const call = session.connection.duplex(FileSync.method.diffCopy, {
    metadata,
    ...(signal ? { signal } : {}),
  });
  try {
    const receiver = new Receiver(call, onBytes);
    const stats = await receiver.stats();
    const files = stats.flatMap((stat, id) => (typeOf(stat) === "file" && stat.size > 0n ? [id] : []));
    let ahead = 0;
    let asked = 0;
    for (const [id, stat] of stats.entries()) {
      const type = typeOf(stat);
      if (!type) continue;
      const entry = entryOf(stat, type);
      yield encodeHeader(entry);
      if (entry.size === 0) continue;
      for (; asked < files.length; asked++) {
        const next = files[asked]!;
        const size = Number(stats[next]!.size);
        if (next !== id && ahead > 0 && ahead + size > AHEAD) break;
        ahead += size;
        await receiver.request(next);
      }
      yield* exactly(receiver.content(id), entry.size);
      ahead -= entry.size;
    }
    await receiver.finish();
    yield END;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    call.cancel();
  }
}

/** A file that changes its length meanwhile keeps the one that was announced. */
async function* exactly(pieces: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const piece of pieces) {
    if (left === 0) continue;
    const taken = piece.length > left ? piece.subarray(0, left) : piece;
    left -= taken.length;
    yield taken;
  }
  const missing = left + paddingOf(size);
  if (missing > 0) yield new Uint8Array(missing);
}
