// GET and HEAD /containers/{id}/archive: a file or a directory of a container as a tar.
import { posix } from "node:path";
import { O_DIRECTORY } from "../../../../../ffi/arch/index.ts";
import { O_PATH, S_IFDIR } from "../../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../../ffi/fd.ts";
import { type ByteName, openInside, showName, statAt, toByteName } from "../../../../../ffi/tree.ts";
import { type PackOptions, packFile, packTree } from "../../../../store/tar/pack.ts";
import { toContainer } from "../../config/remap.ts";
import type { Container } from "../container.ts";
import { containerEvent, type Room, remapOf } from "../room.ts";
import { askedPath } from "./path.ts";
import { describe, openAsked, type PathStat } from "./stat.ts";
import { openTree } from "./tree.ts";

/** What is at the path; `name` is what the request calls the container. ApiError 404. */
export function statArchive(room: Room, container: Container, path: string, name: string): Promise<PathStat> {
  const asked = askedPath(toByteName(path), name);
  return container.mailbox.run(async () => {
    using root = await openTree(room, container, { writable: false });
    using file = openAsked(root, asked, path);
    return describe(root, asked, file).stat;
  });
}

/** The archive in chunks; what can be refused is refused before the first. Its names begin with the path's last part. */
export function getArchive(
  room: Room,
  container: Container,
  path: string,
  name: string,
  signal: AbortSignal,
): Promise<{ stat: PathStat; archive: AsyncGenerator<Uint8Array> }> {
  const asked = askedPath(toByteName(path), name);
  const remap = remapOf(room, container);
  const ids: PackOptions = remap ? { ids: (owner) => toContainer(remap, owner) } : {};
  return container.mailbox.run(async () => {
    const root = await openTree(room, container, { writable: false });
    try {
      const file = openAsked(root, asked, path);
      const { stat, type } = describe(root, asked, file);
      const archive =
        type === S_IFDIR
          ? directory(root, file, asked.base, { ...ids, signal, closed: kernelFileSystems(root) })
          : single(root, file, asked.clean, asked.base, ids);
      containerEvent(room, container, "archive-path");
      return { stat, archive };
    } catch (error) {
      root.close();
      throw error;
    }
  });
}

// Not files to be copied, and without end: what the kernel shows at /proc, /sys and /dev of a running container.
function kernelFileSystems(root: Fd): ReadonlySet<string> {
  const own = statAt(root, "")!.dev;
  const found = ["proc", "sys", "dev"].flatMap((name) => statAt(root, name)?.dev ?? []);
  return new Set(found.filter((dev) => dev !== own));
}

async function* directory(
  root: Fd,
  file: Fd,
  base: ByteName,
  options: PackOptions,
): AsyncGenerator<Uint8Array> {
  using _root = root;
  using held = file;
  const prefix = showName(base === "/" ? "/" : `${base}/`);
  yield* packTree(`/proc/self/fd/${held.number}/`, { ...options, prefix });
}

async function* single(
  root: Fd,
  file: Fd,
  path: ByteName,
  base: ByteName,
  options: PackOptions,
): AsyncGenerator<Uint8Array> {
  using _root = root;
  file.close();
  using parent = openInside(root, posix.dirname(path), O_PATH | O_DIRECTORY);
  if (parent) yield* packFile(parent, base, base, options);
}
