// The mount table of a container: the kernel's file systems that every one gets, then what its user asked for.
import type { Mount } from "../../../spec/oci/runtime.ts";

/** A mount the user (or the image's VOLUME) asked for, with its source settled. */
export interface UserMount {
  destination: string;
  kind: "bind" | "volume" | "tmpfs";
  /** Host path; "" for tmpfs. */
  source: string;
  readonly: boolean;
  /** "rprivate", "rslave" …; "" is rprivate. */
  propagation: string;
  /** tmpfs: "size=64m", "mode=1777" … */
  tmpfsOptions?: string[];
  /** Bind without the mounts below the source. */
  nonRecursive?: boolean;
}

export interface MountTable {
  mounts: readonly UserMount[];
  shmSize: number;
  ipc: "private" | "none" | "host" | { shm: string };
  privileged: boolean;
  readonlyRootfs: boolean;
  /** Host path of docker-init, to be PID 1. */
  init?: string;
  /** Files of the container's directory → /etc/hosts and its like. */
  files: readonly { source: string; destination: string }[];
}

function base(table: MountTable): Mount[] {
  const mounts: Mount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["ro", "nosuid", "noexec", "nodev"],
    },
  ];
  if (table.ipc === "host") {
    mounts.push(
      { destination: "/dev/mqueue", type: "bind", source: "/dev/mqueue", options: ["rbind", "rprivate"] },
      { destination: "/dev/shm", type: "bind", source: "/dev/shm", options: ["rbind", "rprivate"] },
    );
    return mounts;
  }
  mounts.push({
    destination: "/dev/mqueue",
    type: "mqueue",
    source: "mqueue",
    options: ["nosuid", "noexec", "nodev"],
  });
  if (typeof table.ipc === "object") {
    mounts.push({
      destination: "/dev/shm",
      type: "bind",
      source: table.ipc.shm,
      options: ["rbind", "rprivate"],
    });
  } else if (table.ipc === "private") {
    mounts.push({
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${table.shmSize}`],
    });
  }
  return mounts;
}

function userMount(mount: UserMount): Mount {
  const propagation = mount.propagation || "rprivate";
  if (mount.kind === "tmpfs") {
    return {
      destination: mount.destination,
      type: "tmpfs",
      source: "tmpfs",
      options: [...tmpfsOptions(mount.tmpfsOptions ?? []), ...(mount.readonly ? ["ro"] : []), propagation],
    };
  }
  return {
    destination: mount.destination,
    type: "bind",
    source: mount.source,
    options: [mount.nonRecursive ? "bind" : "rbind", ...(mount.readonly ? ["ro"] : []), propagation],
  };
}

// docker's defaults, each of which the user's opposite takes away.
const TMPFS_DEFAULTS = ["noexec", "nosuid", "nodev"];
const OPPOSITE: Readonly<Record<string, string>> = { exec: "noexec", suid: "nosuid", dev: "nodev", rw: "ro" };

function tmpfsOptions(given: readonly string[]): string[] {
  const kept = TMPFS_DEFAULTS.filter((option) => !given.some((word) => OPPOSITE[word] === option));
  return [...new Set([...kept, ...given])];
}

const depth = (path: string): number => path.split("/").filter((part) => part !== "").length;

const REMAINS_WRITABLE: ReadonlySet<string> = new Set([
  "/proc",
  "/dev",
  "/dev/pts",
  "/dev/shm",
  "/dev/mqueue",
]);

const withoutReadonly = (mount: Mount): Mount => ({
  ...mount,
  options: mount.options?.filter((option) => option !== "ro"),
});

/** All mounts in the order in which they are made: a parent before what lies below it. */
export function mountTable(table: MountTable): Mount[] {
  const asked = new Set(table.mounts.map((mount) => mount.destination));
  const replaced = (destination: string): boolean =>
    asked.has(destination) || (asked.has("/dev") && destination.startsWith("/dev/"));

  let system = base(table).filter((mount) => !replaced(mount.destination));
  const files = table.files.filter((file) => !asked.has(file.destination));
  const custom: Mount[] = [
    ...table.mounts.map(userMount),
    ...files.map((file) => ({
      destination: file.destination,
      type: "bind",
      source: file.source,
      options: ["rbind", ...(table.readonlyRootfs ? ["ro"] : []), "rprivate"],
    })),
  ];
  if (table.init) {
    custom.push({
      destination: "/sbin/docker-init",
      type: "bind",
      source: table.init,
      options: ["bind", "ro"],
    });
  }
  // Array.sort is stable: what lies equally deep keeps the order it was asked in.
  custom.sort((a, b) => depth(a.destination) - depth(b.destination));
  if (table.privileged) {
    system = system.map((mount) =>
      mount.type === "sysfs" || mount.type === "cgroup" ? withoutReadonly(mount) : mount,
    );
  }
  const mounts = [...system, ...custom];
  if (!table.readonlyRootfs) return mounts;
  return mounts.map((mount) => {
    const options = mount.options ?? [];
    const own =
      REMAINS_WRITABLE.has(mount.destination) ||
      asked.has(mount.destination) ||
      options.includes("ro") ||
      (table.privileged && (mount.type === "sysfs" || mount.type === "cgroup"));
    return own ? mount : { ...mount, options: [...options, "ro"] };
  });
}
