// What a container has changed, as a layer: without the files that are there only because it is a container.
import { randomUUID } from "node:crypto";
import { S_IFDIR, S_IFREG } from "../../../../ffi/constants/fcntl.ts";
import type { Change } from "../../../store/changes/change.ts";
import { packLayer } from "../../../store/changes/layer.ts";
import { withChanges } from "../../../store/changes/trees.ts";
import type { Container } from "../containers/container.ts";
import { putLayer, type StoredLayer, type WriteGround } from "./write.ts";

/** What dockerd's init layer and the runtime put into every container. moby: daemon/initlayer/setup_unix.go */
const PLACES: ReadonlyMap<string, "file" | "directory"> = new Map([
  [".dockerenv", "file"],
  ["etc", "directory"],
  ["etc/hosts", "file"],
  ["etc/hostname", "file"],
  ["etc/resolv.conf", "file"],
  ["dev", "directory"],
  ["dev/console", "file"],
  ["dev/pts", "directory"],
  ["dev/shm", "directory"],
  ["dev/mqueue", "directory"],
  ["proc", "directory"],
  ["sys", "directory"],
  ["sys/fs", "directory"],
  ["sys/fs/cgroup", "directory"],
] as const);

/** Whether a change only made an empty place for a mount. */
function isPlace({ kind, path, stat }: Change): boolean {
  const place = PLACES.get(path);
  if (kind !== "added" || place === undefined || !stat) return false;
  return place === "directory" ? stat.type === S_IFDIR : stat.type === S_IFREG && stat.size === 0;
}

/**
 * The changes but for empty mount points; a directory among those stays when there is something else in it.
 * `deleted` of such a place is left out too: the container could not have removed what is mounted there.
 */
export function* withoutPlaces(changes: Iterable<Change>): Generator<Change> {
  for (const change of changes) {
    if (!isPlace(change)) yield change;
    // As "unchanged", a directory is written only above something that is.
    else if (change.stat!.type === S_IFDIR) yield { ...change, kind: "unchanged" };
  }
}

/** Writes the layer into the content store; undefined when nothing was changed. */
export async function containerLayer(
  ground: WriteGround,
  container: Container,
  signal?: AbortSignal,
): Promise<StoredLayer | undefined> {
  const { namespace } = ground;
  const snapshots = ground.services.snapshots.snapshotter(ground.snapshotter);
  const upper = await snapshots.mounts(namespace, container.id);
  const { ChainID } = container.record;
  const key = `lower-${randomUUID()}`;
  const lower = ChainID === "" ? [] : await snapshots.view(namespace, key, ChainID);
  try {
    return await withChanges(lower, upper, signal ? { signal } : {}, async (changes) => {
      let any = false;
      const counted = (function* () {
        for (const change of withoutPlaces(changes)) {
          any ||= change.kind !== "unchanged";
          yield change;
        }
      })();
      const layer = await putLayer(ground, packLayer(counted));
      return any ? layer : undefined;
    });
  } finally {
    if (ChainID !== "") await snapshots.remove(namespace, key);
  }
}
