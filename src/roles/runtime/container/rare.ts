// Which of the rare fields a document has, and the code for them, loaded only then.
import type { Fd } from "../../../../ffi/fd.ts";
import type { Config, Mount, Process } from "../../../spec/oci/runtime.ts";
import type { ProcessFacts, RareSettings } from "../launch/process.ts";
import type { RdtGroups } from "./intel-rdt.ts";
import type { Listener } from "./listener.ts";

/** Scheduling, memory policy and personality of a process; undefined when it asks for none. */
export async function rareSettings(config: Config, process: Process): Promise<RareSettings | undefined> {
  const linux = config.linux ?? {};
  if (!process.scheduler && !process.ioPriority && !linux.memoryPolicy && !linux.personality)
    return undefined;
  const { addRareSettings } = await import("../launch/rare-settings.ts");
  return (context) => addRareSettings(context, linux, process);
}

/** Whether a mount is idmapped or filled from the image: more than a plan can do. */
export function needsPreparing({ uidMappings, gidMappings, options }: Mount): boolean {
  return (
    !!uidMappings?.length ||
    !!gidMappings?.length ||
    !!options?.some((word) => word === "idmap" || word === "ridmap" || word === "tmpcopyup")
  );
}

/** Mounts the runtime itself has to make, detached; none for most containers. */
export async function preparedMounts(config: Config, root: Fd): Promise<Map<Mount, Fd>> {
  if (!config.mounts?.some(needsPreparing)) return new Map();
  const { prepareMounts } = await import("./prepared-mounts.ts");
  return prepareMounts(config, root);
}

/** Moves the host's network devices that the container asks for to the process's namespace. */
export async function giveNetDevices(config: Config, pid: number): Promise<void> {
  const devices = config.linux?.netDevices;
  if (!devices || Object.keys(devices).length === 0) return;
  const { moveNetDevices } = await import("./net-devices.ts");
  moveNetDevices(pid, devices);
}

/** The container's groups of Intel RDT, not made yet; undefined for most containers. Throws where the host has none. */
export async function rdtGroupsOf(config: Config, id: string): Promise<RdtGroups | undefined> {
  const rdt = config.linux?.intelRdt;
  if (!rdt) return undefined;
  const { rdtGroups, resctrlMount } = await import("./intel-rdt.ts");
  return rdtGroups(rdt, id, resctrlMount());
}

/** What an exec asks for beyond its cgroup's CPUs: its own document's word, else the container's. */
export async function execAffinity(
  config: Config,
  process: Process,
): Promise<{ initial: RareSettings | undefined; final: RareSettings | undefined }> {
  const { initial, final } = process.execCPUAffinity ?? config.process?.execCPUAffinity ?? {};
  if (!initial && !final) return { initial: undefined, final: undefined };
  const { addAffinity } = await import("../launch/affinity.ts");
  return {
    initial: initial ? (context) => addAffinity(context, initial, "initial") : undefined,
    final: final ? (context) => addAffinity(context, final, "final") : undefined,
  };
}

/** The agent's connection and the launcher's part in it, when the seccomp profile has a listener. */
export async function seccompListener(
  config: Config,
  planOnly: boolean,
): Promise<{ listener: Listener | undefined; withListener: ProcessFacts["withListener"] }> {
  const seccomp = config.linux?.seccomp;
  if (!seccomp?.listenerPath) return { listener: undefined, withListener: undefined };
  const { withListener } = await import("../launch/seccomp-listener.ts");
  const { openListener } = await import("./listener.ts");
  return { listener: planOnly ? undefined : openListener(seccomp), withListener };
}
