// What RUN --mount=type=bind shows when it is no plain directory: another image's file system, or something that may be
// written to and is thrown away. Put together below the build's own directory, for as long as the step runs.
import { randomUUID } from "node:crypto";
import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { AT_FDCWD, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { attachMount, bindMount, overlayMount, overlayView } from "../../../../ffi/detached-mount.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { openName, toByteName } from "../../../../ffi/tree.ts";
import { idmapped } from "../../../wire/containerd/id-maps.ts";
import { mountIdmapped } from "../../../wire/containerd/idmapped-layers.ts";
import { performMounts, undoMounts } from "../../../wire/containerd/mounting.ts";
import type { Mount } from "../../../wire/containerd/services.ts";
import type { Remap } from "../config/remap.ts";
import { layersOf } from "../containers/rootfs.ts";
import type { WriteGround } from "../images/write.ts";

export interface MountedTree extends Disposable {
  path: string;
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

/**
 * Mounts `layers` (the uppermost first) below `scratch`. What is written to a writable one is gone with it.
 * @param remap of the container that gets it, when it has a user namespace
 */
export function mountLayers(
  scratch: string,
  layers: readonly string[],
  writable: boolean,
  remap?: Remap,
): MountedTree {
  const own = join(scratch, `mount-${randomUUID()}`);
  const path = join(own, "tree");
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const taken: MountedTree = { path, [Symbol.dispose]: () => undoMounts(path) };
  if (remap) {
    const lower: Mount =
      layers.length === 1
        ? { type: "bind", source: layers[0]!, options: ["ro"] }
        : { type: "overlay", source: "overlay", options: [`lowerdir=${layers.join(":")}`] };
    performMounts(idmapped([lower], remap), path, mountIdmapped);
    if (!writable) return taken;
  }
  let mount: Fd;
  if (writable) {
    const [upper, work] = [join(own, "upper"), join(own, "work")];
    for (const directory of [upper, work]) mkdirSync(directory, { mode: 0o755 });
    if (remap) chownSync(upper, remap.root.uid, remap.root.gid);
    mount = overlayMount(upper, work, remap ? [path] : layers);
  } else if (layers.length === 1) mount = bindMount(layers[0]!, { recursive: false, readonly: true });
  else mount = overlayView(layers);
  using held = mount;
  using target = openName(AT_FDCWD, toByteName(path), O_PATH);
  attachMount(held, target);
  return taken;
}
