// An image's file system, opened for looking and copying out, without a mount that anybody else could see.
import { randomUUID } from "node:crypto";
import { O_DIRECTORY, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { openName } from "../../../../ffi/tree.ts";
import { openRootfs } from "../containers/rootfs.ts";
import type { WriteGround } from "../images/write.ts";

/** The tree of the snapshot `chainId`, open for reading; undefined for an empty one (""). Closed by the caller. */
export async function openSnapshot(ground: WriteGround, chainId: string): Promise<Fd | undefined> {
  if (chainId === "") return undefined;
  const snapshots = ground.services.snapshots.snapshotter(ground.snapshotter);
  const key = `look-${randomUUID()}`;
  const mounts = await snapshots.view(ground.namespace, key, chainId);
  try {
    using tree = openRootfs(mounts);
    return openName(tree, ".", O_RDONLY | O_DIRECTORY);
  } finally {
    // What is open stays readable: the layers themselves are held by the image.
    await snapshots.remove(ground.namespace, key);
  }
}
