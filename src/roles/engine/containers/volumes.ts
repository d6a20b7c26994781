// What mounts need before a start: bind sources that exist, and empty volumes filled with what the image has in their place.
import { chownSync, mkdirSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { O_DIRECTORY } from "../../../../ffi/arch/index.ts";
import { AT_FDCWD, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { changeMode, changeOwner, openInside, openName, statAt, toByteName } from "../../../../ffi/tree.ts";
import { log } from "../../../observe/log.ts";
import { applyTar } from "../../../store/tar/extract.ts";
import { packTree } from "../../../store/tar/pack.ts";
import { type Owner, type Remap, toHost } from "../config/remap.ts";
import { ApiError, badRequest } from "../errors.ts";
import type { Container } from "./container.ts";
import type { StoredMount } from "./record.ts";
import { type Room, remapOf } from "./room.ts";

/** Whether a start has to look into the image for one of the volumes. */
export function needsCopy(container: Container): boolean {
  return Object.values(container.record.MountPoints).some(isEmptyVolume);
}

function isEmptyVolume(mount: StoredMount): boolean {
  return (
    mount.Type === "volume" &&
    mount.CopyData &&
    mount.Subpath === "" &&
    readdirSync(mount.Source).length === 0
  );
}

/**
 * Makes missing bind sources (`-v`), sees to it that the volumes are there, and fills the empty ones.
 * @param rootfs the container's tree, open; only needed when `needsCopy`
 */
export async function prepareMounts(room: Room, container: Container, rootfs: Fd): Promise<void> {
  for (const mount of Object.values(container.record.MountPoints)) {
    if (mount.Type === "volume") {
      // Removed by hand since the container was made: made again, as docker does.
      const volume = room.engine.volumes.create({ name: mount.Name, driver: mount.Driver || "local" });
      mount.Source = volume.mountpoint;
      room.engine.volumes.mount(volume.name);
      if (isEmptyVolume(mount)) await fill(mount, rootfs, remapOf(room, container));
    } else if (mount.Type === "bind" && mount.CreateSource) {
      createSource(mount.Source, remapOf(room, container)?.root);
    }
  }
}

// What is made belongs to the container's root, the directories above it, too.
function createSource(path: string, owner: Owner | undefined): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode: 0o755 });
    for (let made = path; owner && first && made.length >= first.length; made = dirname(made)) {
      chownSync(made, owner.uid, owner.gid);
    }
  } catch (error) {
    // A file (or a socket) is a fine source.
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw badRequest(
      `error while creating mount source path '${path}': mkdir ${path}: ${(error as Error).message}`,
    );
  }
}

// Content, and the directory's own owner and mode, which packTree leaves out with the root.
async function fill(mount: StoredMount, rootfs: Fd, remap: Remap | undefined): Promise<void> {
  const found = openInside(rootfs, toByteName(mount.Destination), O_RDONLY);
  if (!found) return;
  using source = found;
  const stat = statAt(source, "");
  if ((stat?.mode ?? 0) >> 12 !== 0o04) return;
  try {
    await applyTar(packTree(`/proc/self/fd/${source.number}/`), mount.Source, {
      plainNames: true,
      ...(remap ? { ids: (ids: Owner) => toHost(remap, ids) } : {}),
    });
    const { uid, gid } = remap ? toHost(remap, stat!) : stat!;
    using target = openName(AT_FDCWD, toByteName(mount.Source), O_RDONLY | O_DIRECTORY);
    changeOwner(target, "", uid, gid);
    changeMode(target, ".", stat!.mode & 0o7777);
  } catch (error) {
    throw new ApiError(
      500,
      `failed to copy ${mount.Destination} of the image to volume ${mount.Name}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** The container's run is over: volumes that are mounts go when nobody else who runs has them. */
export function releaseMounts(room: Room, container: Container): void {
  for (const mount of Object.values(container.record.MountPoints)) {
    if (mount.Type !== "volume") continue;
    const others = room.engine.containers
      .usingVolume(mount.Name)
      .some((id) => id !== container.id && room.registry.get(id).state.running);
    if (others) continue;
    try {
      room.engine.volumes.unmount(mount.Name);
    } catch (error) {
      log("error", "volume cannot be unmounted", { volume: mount.Name, error });
    }
  }
}

/** Removes volumes that were made for a container without a name; those that others mount meanwhile stay. */
export async function removeAnonymousVolumes(room: Room, names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      await room.engine.volumes.remove(name);
    } catch (error) {
      log("debug", "anonymous volume stays", { volume: name, error });
    }
  }
}

/** Names of the anonymous volumes that a container mounts. */
export function anonymousVolumes(room: Room, container: Container): string[] {
  return Object.values(container.record.MountPoints)
    .filter((mount) => mount.Type === "volume")
    .map((mount) => mount.Name)
    .filter((name) => {
      try {
        return room.engine.volumes.get(name).anonymous;
      } catch {
        return false;
      }
    });
}
