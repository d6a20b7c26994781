import type { NamespaceType } from "../../../spec/oci/runtime.ts";
import { AT_FDCWD, type Context } from "./context.ts";
import { OPEN_WRITE } from "./open-flags.ts";

const IPC = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/** The complaint about a sysctl that would change the host, or undefined. `has`: namespaces the container does not share. */
export function sysctlComplaint(name: string, has: ReadonlySet<NamespaceType>): string | undefined {
  const dotted = name.replaceAll("/", ".");
  if (IPC.has(dotted) || dotted.startsWith("fs.mqueue."))
    return has.has("ipc")
      ? undefined
      : `sysctl ${JSON.stringify(name)} is not allowed in the hosts ipc namespace`;
  if (dotted.startsWith("net."))
    return has.has("network")
      ? undefined
      : `sysctl ${JSON.stringify(name)} not allowed in host network namespace`;
  if (dotted === "kernel.domainname")
    return has.has("uts")
      ? undefined
      : `sysctl ${JSON.stringify(name)} is not allowed without a uts namespace`;
  if (dotted === "kernel.hostname")
    return `sysctl ${JSON.stringify(name)} is not allowed as it conflicts with the OCI hostname field`;
  if (dotted.startsWith("user."))
    return has.has("user")
      ? undefined
      : `sysctl ${JSON.stringify(name)} is not in a separate kernel namespace`;
  return `sysctl ${JSON.stringify(name)} is not in a separate kernel namespace`;
}

/** The file of a sysctl: dots separate, unless slashes do ("net/ipv4/conf/eth0.100/forwarding"). man 5 sysctl.d */
export function sysctlFile(name: string): string {
  return `/proc/sys/${name.includes("/") ? name : name.replaceAll(".", "/")}`;
}

export function addSysctls({ plan }: Context, sysctls: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(sysctls)) {
    const why = `error setting sysctl ${name}: write ${sysctlFile(name)}`;
    const fd = plan.slot("sysctl");
    plan.call("openat", [AT_FDCWD, plan.string(sysctlFile(name)), OPEN_WRITE], {
      into: fd,
      why,
    });
    plan.call("write", [fd, plan.string(value), new TextEncoder().encode(value).length], { why });
    plan.call("close", [fd]);
  }
}
