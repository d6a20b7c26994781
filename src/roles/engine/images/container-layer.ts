// What a container has changed, as a layer: without the files that are there only because it is a container.
import { randomUUID } from "node:crypto";
import { S_IFDIR, S_IFREG } from "../../../../ffi/constants/fcntl.ts";
import { toByteName } from "../../../../ffi/tree.ts";
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
function isPlace({ kind, path, stat }: Change, others: ReadonlySet<string>): boolean {
  if (kind !== "added" || !stat) return false;
  // A place that a mount of this container needed, or a directory on the way to one.
  if (others.has(path)) return stat.type === S_IFDIR || stat.size === 0;
  const place = PLACES.get(path);
  if (place === undefined) return false;
  return place === "directory" ? stat.type === S_IFDIR : stat.type === S_IFREG && stat.size === 0;
}

/**
 * The changes but for empty mount points; a directory among those stays when there is something else in it.
 * `deleted` of such a place is left out too: the container could not have removed what is mounted there.
 */
export function* withoutPlaces(changes: Iterable<Change>, places: readonly string[] = []): Generator<Change> {
  const others = new Set(places.flatMap(pathsTo));
  for (const change of changes) {
    if (!isPlace(change, others)) yield change;
    // As "unchanged", a directory is written only above something that is.
    else if (change.stat!.type === S_IFDIR) yield { ...change, kind: "unchanged" };
  }
}

/** "/a/b" → "a", "a/b" */
function pathsTo(target: string): string[] {
  const parts = target.split("/").filter((part) => part !== "");
  return parts.map((_, i) => toByteName(parts.slice(0, i + 1).join("/")));
}

/** Writes the layer into the content store; undefined when nothing was changed. */
export async function containerLayer(
  ground: WriteGround,
  container: Container,
  options: { signal?: AbortSignal; places?: readonly string[] } = {},
): Promise<StoredLayer | undefined> {
  const { namespace } = ground;
  const snapshots = ground.services.snapshots.snapshotter(ground.snapshotter);
  const upper = await snapshots.mounts(namespace, container.id);
  const { ChainID } = container.record;
  const key = `lower-${randomUUID()}`;
  const lower = ChainID === "" ? [] : await snapshots.view(namespace, key, ChainID);
  try {
    return await withChanges(
      lower,
      upper,
      options.signal ? { signal: options.signal } : {},
      async (changes) => {
        let any = false;
        const counted = (function* () {
          for (const change of withoutPlaces(changes, options.places)) {
            any ||= change.kind !== "unchanged";
            yield change;
          }
        })();
        const layer = await putLayer(ground, packLayer(counted));
        return any ? layer : undefined;
      },
    );
  } finally {
    if (ChainID !== "") await snapshots.remove(namespace, key);
  }
}
