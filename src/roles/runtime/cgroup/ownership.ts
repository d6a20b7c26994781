// The container's user owns its cgroup, where it has a view of its own that it may write to: then it can make cgroups
// below. config-linux.md#cgroup-ownership
import { isErrno } from "../../../../ffi/errno.ts";
import { fchownat } from "../../../../ffi/file.ts";
import { readTextIfThere } from "../../../../ffi/path.ts";
import { hostId } from "../../../spec/oci/id-mapping.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import type { Cgroups } from "./hierarchy.ts";

const AT_FDCWD = -100;
/** What the specification names for kernels that do not tell. */
const DELEGATED = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/** The host's id of the user who shall own the cgroup; undefined when it stays root's. */
export function cgroupOwner(config: Config, cgroups: Cgroups): number | undefined {
  const { linux = {}, mounts = [] } = config;
  if (cgroups.mode !== "v2") return undefined;
  if (!linux.namespaces?.some(({ type, path }) => type === "cgroup" && !path)) return undefined;
  const writable = mounts.some(
    ({ source, destination, options }) =>
      source === "cgroup" &&
      destination === "/sys/fs/cgroup" &&
      !options?.some((word) => word === "ro" || word === "rro"),
  );
  if (!writable) return undefined;
  const uid = config.process?.user.uid ?? 0;
  const inUserNamespace = linux.namespaces.some(({ type }) => type === "user");
  const owner = inUserNamespace ? hostId(uid, linux.uidMappings ?? []) : uid;
  return owner || undefined;
}

/** Gives the directory and the files that may be delegated to a user; no other, since those hold the container's limits. */
export function giveCgroup(directory: string, uid: number): void {
  const listed = readTextIfThere("/sys/kernel/cgroup/delegate")?.split("\n").filter(Boolean) ?? DELEGATED;
  for (const path of [directory, ...listed.map((name) => `${directory}/${name}`)]) {
    try {
      fchownat(AT_FDCWD, path, uid, -1, 0);
    } catch (error) {
      // Not every file that can be delegated is in every cgroup.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}
