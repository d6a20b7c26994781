// The seccomp filter of a container. Compiling one takes 4 ms, a third of them in loading the tables, and an engine gives nearly
// all of its containers the same: so what was compiled lies in <root>/@filters, named by the hash of what it was made from.
import { arch } from "../../../../ffi/arch/index.ts";
import { O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { open } from "../../../../ffi/file.ts";
import { makeDirectories, namesAt, readBytes, removeAll, rename, writeText } from "../../../../ffi/path.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import { commit } from "../../../version.ts";
import type { Filter } from "../seccomp/compile.ts";
import { refusesUnknownCalls } from "./extensions.ts";

/** No id of a container has an "@". */
const DIRECTORY = "@filters";
/** More different profiles than this are not worth keeping. */
const MOST = 64;
/** A file: CRC-32 of the rest, the filter's flags, its instructions of eight bytes. */
const HEAD = 8;

/**
 * `root`: the directory of all containers' states. `compiler` tells this compiler of filters from others; what is not built from
 * a commit has nothing to tell it by, and keeps none. Throws on what cannot be filtered.
 */
export async function filterOf(
  config: Config,
  root: string,
  compiler = commit === "unknown" ? undefined : commit,
): Promise<Filter | undefined> {
  const seccomp = config.linux?.seccomp;
  if (!seccomp) return undefined;
  if (refusesUnknownCalls(config)) (await import("../seccomp/names.ts")).checkCallNames(seccomp);
  const name =
    compiler &&
    new Bun.CryptoHasher("sha256").update(`${compiler} ${arch} ${JSON.stringify(seccomp)}`).digest("hex");
  const kept = name && keptFilter(`${root}/${DIRECTORY}/${name}`);
  if (kept) return kept;
  const { compileFilter } = await import("../seccomp/compile.ts");
  const filter = compileFilter(seccomp, arch);
  if (name) keepFilter(`${root}/${DIRECTORY}`, name, filter);
  return filter;
}

/** undefined when there is none, or a damaged one. */
function keptFilter(path: string): Filter | undefined {
  let bytes: Uint8Array;
  try {
    using file = open(path, O_RDONLY);
    bytes = readBytes(file).slice();
  } catch {
    return undefined;
  }
  if (bytes.length <= HEAD || bytes.length % 8 !== 0) return undefined;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(0, true) !== Bun.hash.crc32(bytes.subarray(4))) return undefined;
  return { flags: view.getUint32(4, true), bytes: bytes.subarray(HEAD) };
}

/** Keeps one for the next container; what goes wrong costs only time. */
function keepFilter(directory: string, name: string, { flags, bytes }: Filter): void {
  const file = new Uint8Array(HEAD + bytes.length);
  const view = new DataView(file.buffer);
  view.setUint32(4, flags, true);
  file.set(bytes, HEAD);
  view.setUint32(0, Bun.hash.crc32(file.subarray(4)), true);
  try {
    makeDirectories(directory, 0o700);
    if ((namesAt(directory) ?? []).length >= MOST) {
      removeAll(directory);
      makeDirectories(directory, 0o700);
    }
    const aside = `${directory}/.${process.pid}`;
    writeText(aside, file, { mode: 0o600 });
    rename(aside, `${directory}/${name}`);
  } catch {
    // No room, or no right to write here.
  }
}
