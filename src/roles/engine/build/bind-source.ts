// What RUN --mount=type=bind shows when it is no plain directory: another image's file system, or something that may be
// written to and is thrown away. Put together below the build's own directory, for as long as the step runs.
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AT_FDCWD, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { attachMount, bindMount, overlayMount, overlayView } from "../../../../ffi/detached-mount.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import { openName, toByteName } from "../../../../ffi/tree.ts";
import { layersOf } from "../containers/rootfs.ts";
import type { WriteGround } from "../images/write.ts";

const MNT_DETACH = 2;

export interface MountedTree extends Disposable {
  path: string;
}

/** Takes away what is mounted at `path`. Throws SyscallError (EINVAL when nothing is). man 2 umount2 */
export function unmount(path: string): void {
  syscall("umount2", path, cstr(path), MNT_DETACH);
}

/** The directories of a snapshot, the uppermost first. */
export async function snapshotLayers(ground: WriteGround, chainId: string): Promise<string[]> {
  const snapshots = ground.services.snapshots.snapshotter(ground.snapshotter);
  const key = `look-${randomUUID()}`;
  const mounts = await snapshots.view(ground.namespace, key, chainId);
  // The layers themselves are held by the image.
  await snapshots.remove(ground.namespace, key);
  return layersOf(mounts);
}

/** Mounts `layers` (the uppermost first) below `scratch`. What is written to a writable one is gone with it. */
export function mountLayers(scratch: string, layers: readonly string[], writable: boolean): MountedTree {
  const own = join(scratch, `mount-${randomUUID()}`);
  const path = join(own, "tree");
  mkdirSync(path, { recursive: true, mode: 0o700 });
  let mount: Fd;
  if (writable) {
    const [upper, work] = [join(own, "upper"), join(own, "work")];
    for (const directory of [upper, work]) mkdirSync(directory, { mode: 0o755 });
    mount = overlayMount(upper, work, layers);
  } else if (layers.length === 1) mount = bindMount(layers[0]!, { recursive: false, readonly: true });
  else mount = overlayView(layers);
  using held = mount;
  using target = openName(AT_FDCWD, toByteName(path), O_PATH);
  attachMount(held, target);
  return { path, [Symbol.dispose]: () => unmount(path) };
}
