// Mounts and namespaces that criu neither saves nor makes: they come from outside the container.
import { O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { kindOf, linkText, nameOf } from "../../../../ffi/path.ts";
import type { Config, Mount, Namespace } from "../../../spec/oci/runtime.ts";
import { hostCgroups } from "../cgroup/hierarchy.ts";
import type { ContainerState } from "../container/state.ts";
import { RuntimeError } from "../errors.ts";
import { isBind } from "../launch/mounts.ts";
import { NAMESPACE_FLAG } from "../launch/namespaces.ts";

type Pairs = readonly (readonly [string, string])[];

/** What criu is told at a dump: the mountpoint, under a name by which a restore finds it again. */
export function externalAtDump(state: ContainerState): Pairs {
  const { config } = state;
  const binds = external(config, state).map(({ at }) => [at, at] as const);
  // Directories are hidden by a tmpfs, which criu saves.
  const masked = (config.linux?.maskedPaths ?? [])
    .filter((path) => isFile(`/proc/${state.init_process_pid}/root${path}`))
    .map((path) => [path, "/dev/null"] as const);
  return [...binds, ...masked, ...deviceNodes(config)];
}

/** What criu is told at a restore: those names, and what to mount there. */
export function externalAtRestore(state: ContainerState): Pairs {
  const { config } = state;
  const binds = external(config, state).map(({ at, source }) => [at, source] as const);
  const masked = config.linux?.maskedPaths?.length ? [["/dev/null", "/dev/null"] as const] : [];
  return [...binds, ...masked, ...deviceNodes(config)];
}

/** Where a user namespace forbids making them, devices are bound from the host. */
const deviceNodes = (config: Config): Pairs =>
  (config.linux?.devices ?? []).map(({ path }) => [path, path] as const);

function external(config: Config, state: ContainerState): { at: string; source: string }[] {
  return (config.mounts ?? []).flatMap((mount) => {
    if (isBind(mount)) return [{ at: clean(mount.destination), source: mount.source ?? "" }];
    return mount.type === "cgroup" ? cgroupBinds(mount, config, state) : [];
  });
}

/** Without a cgroup namespace the container's own directories are bound; with one they are mounts like others. */
function cgroupBinds(mount: Mount, config: Config, state: ContainerState) {
  if (config.linux?.namespaces?.some(({ type }) => type === "cgroup")) return [];
  const cgroups = hostCgroups();
  const { "": unified } = state.cgroup_paths;
  if (cgroups.mode === "v2")
    return unified === undefined ? [] : [{ at: clean(mount.destination), source: unified }];
  return cgroups.v1.map(({ mountpoint, controllers }) => ({
    at: `${clean(mount.destination)}/${nameOf(mountpoint)}`,
    source: state.cgroup_paths[controllers[0]!] ?? mountpoint,
  }));
}

const clean = (path: string) =>
  `/${path
    .split("/")
    .filter((part) => part && part !== ".")
    .join("/")}`;

function isFile(path: string): boolean {
  try {
    return kindOf(path) !== "directory";
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP")) return false;
    throw error;
  }
}

/** Namespaces of config.json that are joined by path. */
const joined = (config: Config): (Namespace & { path: string })[] =>
  (config.linux?.namespaces ?? []).flatMap((one) => (one.path ? [{ ...one, path: one.path }] : []));

/** Kinds that criu can leave alone wholly, rather than join. */
const LEFT_ALONE = ["network", "pid"];
const key = (type: string) => `extRoot${type === "network" ? "Net" : "Pid"}NS`;

/** For a dump: "net[INODE]:KEY". */
export function externalNamespaces(config: Config): string[] {
  return joined(config)
    .filter(({ type }) => LEFT_ALONE.includes(type))
    .map(({ type, path }) => {
      const inode = /\[(\d+)\]/.exec(namespaceName(path))?.[1];
      if (inode === undefined) throw new RuntimeError(`${path} is no namespace of a process`);
      return `${NAMESPACE_FLAG[type].file}[${inode}]:${key(type)}`;
    });
}

/** "net:[INODE]": of a path below /proc, or of a file that a namespace is bound on. */
function namespaceName(path: string): string {
  using fd = open(path, O_RDONLY);
  return linkText(`/proc/self/fd/${fd.number}`);
}

/** For a restore: descriptors to hand on, under their keys, and namespaces to join by path. */
export function namespacesAtRestore(config: Config): { open: { key: string; fd: Fd }[]; join: Pairs } {
  const all = joined(config);
  const cgroup = all.find(({ type }) => type === "cgroup");
  if (cgroup) throw new RuntimeError("Do not know how to handle namespace cgroup: criu cannot join it");
  return {
    open: all
      .filter(({ type }) => LEFT_ALONE.includes(type))
      .map(({ type, path }) => ({ key: key(type), fd: open(path, O_RDONLY) })),
    join: all
      .filter(({ type }) => !LEFT_ALONE.includes(type))
      .map(({ type, path }) => [NAMESPACE_FLAG[type].file, path] as const),
  };
}
