// A container's whole tree, its mounts included, as one directory descriptor that nothing can be led out of.
//
// A running container's is the one that its own process sees. A stopped one's is put together anew, detached from every
// directory tree (ffi/detached-mount.ts): the host's mount table never shows it, and it is gone when it is closed.
import { rmdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { O_DIRECTORY } from "../../../../../ffi/arch/index.ts";
import { O_CREAT, O_EXCL, O_PATH, O_WRONLY } from "../../../../../ffi/constants/fcntl.ts";
import { attachMount, bindMount, overlayMount } from "../../../../../ffi/detached-mount.ts";
import { isErrno } from "../../../../../ffi/errno.ts";
import type { Fd } from "../../../../../ffi/fd.ts";
import { open } from "../../../../../ffi/file.ts";
import { createFile, makeDirectory, openInside, toByteName } from "../../../../../ffi/tree.ts";
import { idmapped } from "../../../../wire/containerd/id-maps.ts";
import { mountIdmapped } from "../../../../wire/containerd/idmapped-layers.ts";
import { performMounts, undoMounts } from "../../../../wire/containerd/mounting.ts";
import type { Mount } from "../../../../wire/containerd/services.ts";
import { ApiError, conflict } from "../../errors.ts";
import type { Container } from "../container.ts";
import { etcMounts } from "../etc-files.ts";
import { step } from "../mailbox.ts";
import { type Room, remapOf, snapshotterOf } from "../room.ts";
import { mountOption, openRootfs } from "../rootfs.ts";

/** Opens it; call inside the container's mailbox. The caller closes it, for a writable stopped one still inside the mailbox. */
export async function openTree(
  room: Room,
  container: Container,
  options: { writable: boolean },
): Promise<Fd> {
  const { state } = container;
  if (state.running && !state.restarting && state.stored.Pid > 0) return openRunning(container);
  const mounts = await step("snapshot", snapshotterOf(room).mounts(room.engine.namespace, container.id));
  const inner = innerMounts(container);
  const remap = remapOf(room, container);
  // In the snapshot as it lies: through mapped ids they would be nobody's.
  if ((!options.writable || remap) && inner.length > 0) makeTargets(mounts, inner);
  const root = remap
    ? openMapped(idmapped(mounts, remap), join(room.engine.config.execRoot, "trees", container.id))
    : options.writable
      ? openWritable(mounts)
      : openRootfs(mounts);
  try {
    for (const mount of inner) put(root, mount, options.writable);
  } catch (error) {
    root.close();
    if (!isErrno(error, "EINVAL")) throw error;
    throw new ApiError(
      500,
      "a stopped container with mounts can be looked into on Linux 6.15 and later only",
      {
        cause: error,
      },
    );
  }
  return root;
}

function openRunning(container: Container): Fd {
  try {
    return open(`/proc/${container.state.stored.Pid}/root`, O_PATH | O_DIRECTORY);
  } catch (error) {
    // Between its process's end and the news of it.
    if (isErrno(error, "ENOENT", "ESRCH")) throw conflict(`Container ${container.id} is stopping, try again`);
    throw error;
  }
}

interface InnerMount {
  source: string;
  destination: string;
  readonly: boolean;
  recursive: boolean;
  directory: boolean;
}

// Parents before what is mounted inside of them.
function innerMounts(container: Container): InnerMount[] {
  const own = Object.values(container.record.MountPoints)
    .filter((mount) => mount.Type !== "tmpfs")
    .map((mount) => ({
      source: mount.Subpath === "" ? mount.Source : `${mount.Source}/${mount.Subpath}`,
      destination: mount.Destination,
      readonly: !mount.RW,
      recursive: mount.Type === "bind" && !mount.NonRecursive,
    }));
  const taken = new Set(own.map((mount) => mount.destination));
  const files = etcMounts(container.record)
    .filter((file) => !taken.has(file.destination))
    .map((file) => ({ ...file, readonly: false, recursive: false }));
  return [...own, ...files]
    .flatMap((mount) => {
      // A source that is gone stops a start, not a look at the rest.
      const stat = statSync(mount.source, { throwIfNoEntry: false });
      return stat ? [{ ...mount, directory: stat.isDirectory() }] : [];
    })
    .sort((a, b) => (a.destination < b.destination ? -1 : 1));
}

// A container with a user namespace has host ids in its volumes, and so it must have them in the rest of what is looked at here.
// Attached to `place` for a moment, since such layers can be mounted in no other way on Linux before 6.15.
function openMapped(mounts: readonly Mount[], place: string): Fd {
  undoMounts(place);
  performMounts(mounts, place, mountIdmapped);
  try {
    return bindMount(place, { recursive: false, readonly: false });
  } finally {
    undoMounts(place);
    rmdirSync(place);
  }
}

function openWritable(mounts: readonly Mount[]): Fd {
  const [mount] = mounts;
  if (mount?.type === "bind") return open(mount.source, O_PATH | O_DIRECTORY);
  const upper = mount && mountOption(mount, "upperdir");
  const work = mount && mountOption(mount, "workdir");
  if (upper === undefined || work === undefined) {
    throw new ApiError(500, `snapshot mount of type "${mount?.type ?? "none"}" cannot be written to`);
  }
  return overlayMount(upper, work, (mountOption(mount!, "lowerdir") ?? "").split(":"));
}

// The places that are mounted upon are made by the first start; a look before that makes them, too, as dockerd does.
function makeTargets(mounts: readonly Mount[], inner: readonly InnerMount[]): void {
  {
    using view = openRootfs(mounts);
    const missing = inner.filter((mount) => {
      const found = openInside(view, toByteName(mount.destination), O_PATH);
      found?.close();
      return !found;
    });
    if (missing.length === 0) return;
  }
  using root = openWritable(mounts);
  for (const mount of inner) makeTarget(root, mount);
}

// By descriptor and name, so that no symlink is followed: where one leads nowhere, it stays, and so does the mount away.
function makeTarget(root: Fd, { destination, directory }: InnerMount): void {
  const parts = destination.split("/").filter((part) => part !== "");
  parts.forEach((_part, index) => {
    const path = `/${parts.slice(0, index + 1).join("/")}`;
    const found = openInside(root, toByteName(path), O_PATH);
    if (found) {
      found.close();
      return;
    }
    const parent = openInside(root, toByteName(dirname(path)), O_PATH | O_DIRECTORY);
    if (!parent) return;
    using dir = parent;
    const name = toByteName(basename(path));
    if (directory || index < parts.length - 1) makeDirectory(dir, name, 0o755);
    else createFile(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0o755)?.close();
  });
}

function put(root: Fd, mount: InnerMount, writable: boolean): void {
  if (writable) makeTarget(root, mount);
  using target = openInside(root, toByteName(mount.destination), O_PATH);
  if (!target) return;
  using copy = bindMount(mount.source, {
    recursive: mount.recursive,
    readonly: mount.readonly || !writable,
  });
  attachMount(copy, target);
}
