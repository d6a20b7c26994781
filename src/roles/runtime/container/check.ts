// What a valid config.json may still ask for wrongly or in vain: checked before anything is made.
import { PROC_SUPER_MAGIC } from "../../../../ffi/constants/magic.ts";
import { linkText } from "../../../../ffi/path.ts";
import { fileSystemAt } from "../../../../ffi/statfs.ts";
import type { Config, IdMapping, Mount, NamespaceType } from "../../../spec/oci/runtime.ts";
import { RuntimeError } from "../errors.ts";
import { belowRoot } from "../launch/context.ts";
import { isBind } from "../launch/mounts.ts";
import { NAMESPACE_FLAG } from "../launch/namespaces.ts";
import { sysctlComplaint } from "../launch/sysctl.ts";

/** The first 2^32 - 1 ids, as they are. man 7 user_namespaces */
const EVERY_ID: readonly IdMapping[] = [{ containerID: 0, hostID: 0, size: 0xffffffff }];

/** Throws RuntimeError on the first thing that cannot be. */
export function checkConfig(config: Config): void {
  const { process, linux = {} } = config;
  if (!config.root) throw new RuntimeError("invalid config.json: root: is required");
  if (!process) throw new RuntimeError("invalid config.json: process: is required to create a container");
  if (!process.args?.length) throw new RuntimeError("invalid config.json: process.args: must not be empty");
  if (!process.cwd.startsWith("/")) throw new RuntimeError("Cwd must be an absolute path");
  const namespaces = linux.namespaces ?? [];
  const types = new Set<NamespaceType>();
  for (const { type, path } of namespaces) {
    if (types.has(type))
      throw new RuntimeError(
        `malformed spec file: duplicated ns {${JSON.stringify(type)} ${JSON.stringify(path ?? "")}}`,
      );
    types.add(type);
    if (path) checkNamespacePath(type, path);
  }
  if (types.has("user")) {
    const joined = namespaces.some((one) => one.type === "user" && one.path);
    // Without any maps every id is itself, as crun has it; half of them is a mistake.
    if (!joined && !linux.uidMappings?.length && !linux.gidMappings?.length) {
      linux.uidMappings = [...EVERY_ID];
      linux.gidMappings = [...EVERY_ID];
    }
    if (!joined && (!linux.uidMappings?.length || !linux.gidMappings?.length))
      throw new RuntimeError("User namespaces enabled, but no uid or gid mappings found.");
  } else if (linux.uidMappings?.length || linux.gidMappings?.length)
    throw new RuntimeError(
      "User namespace mappings specified, but user namespace isn't enabled in the config",
    );
  if (config.hostname && !types.has("uts"))
    throw new RuntimeError("unable to set hostname without a private UTS namespace");
  if (config.domainname && !types.has("uts"))
    throw new RuntimeError("unable to set domainname without a private UTS namespace");
  if (linux.timeOffsets && !types.has("time")) throw new RuntimeError("timeOffsets need a time namespace");
  for (const [name, value] of Object.entries(linux.sysctl ?? {})) {
    const domain = name.replaceAll("/", ".") === "kernel.domainname";
    if (domain && config.domainname && value !== config.domainname)
      throw new RuntimeError(
        `sysctl ${JSON.stringify(name)} conflicts with the OCI field domainname (${JSON.stringify(config.domainname)})`,
      );
    const complaint = sysctlComplaint(name, types);
    if (complaint) throw new RuntimeError(complaint);
  }
  if (Object.keys(linux.netDevices ?? {}).length > 0 && !types.has("network"))
    throw new RuntimeError("unable to move network devices without a private NET namespace");
  for (const mount of config.mounts ?? []) checkProcMount(mount);
  refuseUnsupported(config);
}

/** What lxcfs and its like bind over files of /proc: figures about the machine, no controls. As runc has it. */
const OVER_PROC = new Set(
  "cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo net/dev sys/kernel/ns_last_pid sys/crypto/fips_enabled"
    .split(" ")
    .map((name) => `proc/${name}`),
);

/** A volume over /proc would let an image pretend what the kernel says of a process (CVE-2019-16884). */
function checkProcMount(mount: Mount): void {
  const path = belowRoot(mount.destination);
  if (path !== "proc" && !path.startsWith("proc/")) return;
  if (path !== "proc") {
    if (OVER_PROC.has(path)) return;
    throw new RuntimeError(
      `${JSON.stringify(mount.destination)} cannot be mounted because it is inside /proc`,
    );
  }
  if (mount.type === "proc") return;
  if (isBind(mount) && fileSystemAt(mount.source ?? "") === PROC_SUPER_MAGIC) return;
  throw new RuntimeError(
    `${JSON.stringify(mount.destination)} cannot be mounted because it is not of type proc`,
  );
}

/** Fields whose silent omission would change what the container may do or sees. */
function refuseUnsupported(config: Config): void {
  const { linux = {} } = config;
  const refuse = (field: string) => {
    throw new RuntimeError(`config.json: ${field} is not supported by this runtime yet`);
  };
  if (linux.personality?.flags?.length) refuse("linux.personality.flags");
}

/** The namespace at a path must be of the type that is asked for: a wrong file would be joined silently by other means. */
function checkNamespacePath(type: NamespaceType, path: string): void {
  if (!path.startsWith("/")) throw new RuntimeError(`namespace path ${path} is not absolute`);
  let target: string;
  try {
    target = linkText(path);
  } catch {
    // A bind-mounted namespace file is no link; setns checks its type.
    return;
  }
  const kind = /^(\w+):\[\d+\]$/.exec(target)?.[1]?.replace(/_for_children$/, "");
  if (kind !== undefined && kind !== NAMESPACE_FLAG[type].file)
    throw new RuntimeError(`namespace path ${path} is a ${kind} namespace, not a ${type} namespace`);
}
