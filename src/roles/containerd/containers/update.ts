// Which fields of a container record an update may change.
import type { ContainerRecord } from "../../../wire/containerd/services.ts";
import { invalid } from "../errors.ts";
import { updateLabels } from "../fieldpaths.ts";

/**
 * The record after an update. Without field paths everything that is given is replaced, but snapshotter and runtime name
 * must stay. Throws InvalidArgument for a path that cannot be updated.
 */
export function merge(
  old: ContainerRecord,
  given: Partial<ContainerRecord>,
  fieldpaths: readonly string[] | undefined,
): ContainerRecord {
  if (!fieldpaths || fieldpaths.length === 0) {
    if (given.snapshotter !== undefined && given.snapshotter !== old.snapshotter) {
      throw invalid("container.Snapshotter field is immutable");
    }
    if (given.runtime !== undefined && given.runtime.name !== old.runtime.name) {
      throw invalid("container.Runtime.Name field is immutable");
    }
    const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    return { ...old, ...defined };
  }
  const next = { ...old };
  for (const path of fieldpaths) {
    const [head, ...rest] = path.split(".");
    switch (head) {
      case "labels":
        next.labels = updateLabels(next.labels, given.labels ?? {}, [path]);
        continue;
      case "extensions": {
        const key = rest.join(".");
        const value = given.extensions?.[key];
        if (rest.length === 0) next.extensions = given.extensions ?? {};
        else if (value === undefined) {
          const { [key]: _gone, ...others } = next.extensions;
          next.extensions = others;
        } else next.extensions = { ...next.extensions, [key]: value };
        continue;
      }
    }
    switch (path) {
      case "spec":
        if (given.spec) next.spec = given.spec;
        break;
      case "snapshotkey":
      case "snapshot_key":
        next.snapshotKey = given.snapshotKey ?? "";
        break;
      case "image":
        next.image = given.image ?? "";
        break;
      default:
        throw invalid(`cannot update ${JSON.stringify(path)} field on ${JSON.stringify(old.id)}`);
    }
  }
  return next;
}
