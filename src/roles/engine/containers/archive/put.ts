// PUT /containers/{id}/archive: a tar unpacked into a directory of a container.
import { posix } from "node:path";
import { O_DIRECTORY } from "../../../../../ffi/arch/index.ts";
import { O_PATH } from "../../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../../ffi/errno.ts";
import type { Fd } from "../../../../../ffi/fd.ts";
import { openInside, showName, toByteName } from "../../../../../ffi/tree.ts";
import { decompress } from "../../../../store/tar/decompress.ts";
import { ArchiveError } from "../../../../store/tar/entry.ts";
import { applyTar } from "../../../../store/tar/extract.ts";
import { type Owner, toHost } from "../../config/remap.ts";
import { badRequest } from "../../errors.ts";
import { resolveUser } from "../../oci/user.ts";
import type { Container } from "../container.ts";
import { containerEvent, type Room, remapOf } from "../room.ts";
import { readInRoot } from "../rootfs.ts";
import { askedPath, followLinks } from "./path.ts";
import { noSuchFile } from "./stat.ts";
import { openTree } from "./tree.ts";

export interface PutOptions {
  path: string;
  /** What the request calls the container. */
  name: string;
  /** Refuse to replace a directory by something else and the other way round. */
  noOverwriteDirNonDir: boolean;
  /** Give what is unpacked to the container's user. */
  copyUidGid: boolean;
  signal: AbortSignal;
}

/** Unpacks `body` (plain, gzip or zstd). ApiError 404 for a missing directory, 400 for a bad archive or a read-only place. */
export async function putArchive(
  room: Room,
  container: Container,
  body: AsyncIterable<Uint8Array>,
  options: PutOptions,
): Promise<void> {
  const asked = askedPath(toByteName(options.path), options.name);
  const remap = remapOf(room, container);
  const unpack = async (root: Fd): Promise<void> => {
    const target = followLinks(root, asked.clean);
    if (target === undefined) {
      throw badRequest(`lstat ${options.path}: too many levels of symbolic links`);
    }
    checkDirectory(root, target, () => noSuchFile(asked, options.path));
    checkWritable(container, showName(target));
    try {
      await applyTar(decompress(body), `/proc/self/fd/${root.number}/`, {
        plainNames: true,
        below: target,
        keepKinds: options.noOverwriteDirNonDir,
        // Without a user of the container's own the archive's owners stay, as in docker.
        ...(options.copyUidGid && container.record.Config.User !== ""
          ? { owner: ownerFor(container, root) }
          : {}),
        ...(remap ? { ids: (ids: Owner) => toHost(remap, ids) } : {}),
        signal: options.signal,
      });
    } catch (error) {
      if (error instanceof ArchiveError && !isErrno(error, "ENOSPC", "EDQUOT"))
        throw badRequest(error.message);
      throw error;
    }
    containerEvent(room, container, "extract-to-dir");
  };
  const running = await container.mailbox.run(async () => {
    const root = await openTree(room, container, { writable: true });
    // A running container's tree needs no lock, and a slow upload must not keep it from being stopped.
    if (container.state.running && !container.state.restarting) return root;
    using held = root;
    await unpack(held);
    return undefined;
  });
  if (!running) return;
  using held = running;
  await unpack(held);
}

function checkDirectory(root: Fd, target: string, missing: () => Error): void {
  try {
    const found = openInside(root, target, O_PATH | O_DIRECTORY);
    if (!found) throw missing();
    found.close();
  } catch (error) {
    if (isErrno(error, "ENOTDIR")) throw badRequest("extraction point is not a directory");
    throw error;
  }
}

// A read-only root file system refuses, unless the place lies in a volume; a read-only volume always does.
function checkWritable(container: Container, target: string): void {
  const mount = Object.values(container.record.MountPoints)
    .filter(({ Destination }) => !posix.relative(Destination, target).startsWith(".."))
    .sort((a, b) => b.Destination.length - a.Destination.length)[0];
  if (mount && !mount.RW) throw badRequest("mounted volume is marked read-only");
  if (!mount && container.host.ReadonlyRootfs) throw badRequest("container rootfs is marked read-only");
}

function ownerFor(container: Container, root: Fd): { uid: number; gid: number } {
  const { uid, gid } = resolveUser(
    container.record.Config.User,
    [],
    readInRoot(root, "/etc/passwd"),
    readInRoot(root, "/etc/group"),
  );
  return { uid, gid };
}
