// GET /containers/{id}/export: the container's tree as a tar, whatever it is doing, without what is mounted into it.
import { packTree } from "../../../store/tar/pack.ts";
import type { Container } from "./container.ts";
import { step } from "./mailbox.ts";
import { containerEvent, type Room, snapshotterOf } from "./room.ts";
import { openRootfs } from "./rootfs.ts";

/** The archive in chunks. What can be refused is refused before the first. */
export async function exportContainer(
  room: Room,
  container: Container,
  signal: AbortSignal,
): Promise<AsyncGenerator<Uint8Array>> {
  const mounts = await step("snapshot", snapshotterOf(room).mounts(room.engine.namespace, container.id));
  const rootfs = openRootfs(mounts);
  containerEvent(room, container, "export");
  return (async function* () {
    using held = rootfs;
    yield* packTree(`/proc/self/fd/${held.number}/`, { signal });
  })();
}
