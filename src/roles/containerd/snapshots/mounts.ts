// What to mount for a snapshot, as containerd's overlayfs snapshotter prints it.
import { existsSync } from "node:fs";
import type { Mount } from "../../../wire/containerd/services.ts";
import type { SnapshotDirectories } from "./directories.ts";

/**
 * Options for every overlay. index=off: an index refuses to mount an upper directory that is mounted elsewhere already,
 * which a restart or a second look at a snapshot does.
 */
function probed(): string[] {
  return existsSync("/sys/module/overlay/parameters/index") ? ["index=off"] : [];
}

let options: string[] | undefined;

/** `parents` are directory numbers, the nearest first. */
export function mountsOf(
  directories: SnapshotDirectories,
  id: number,
  kind: "Active" | "View",
  parents: readonly number[],
): Mount[] {
  const bind = (source: string, access: "ro" | "rw"): Mount[] => [
    { type: "bind", source, options: [access, "rbind"] },
  ];
  // overlayfs wants a lower directory; without parents the directory itself is the tree.
  if (parents.length === 0) return bind(directories.upper(id), kind === "View" ? "ro" : "rw");
  if (kind === "View" && parents.length === 1) return bind(directories.upper(parents[0]!), "ro");
  options ??= probed();
  const layers = `lowerdir=${parents.map((parent) => directories.upper(parent)).join(":")}`;
  const writable =
    kind === "Active" ? [`workdir=${directories.work(id)}`, `upperdir=${directories.upper(id)}`] : [];
  return [{ type: "overlay", source: "overlay", options: [...options, ...writable, layers] }];
}
