import { readText } from "../../../../ffi/path.ts";
import type { Resources } from "../../../spec/oci/runtime.ts";
import { parseResources } from "../../../spec/oci/runtime-validate.ts";
import { applyResources } from "../cgroup/container.ts";
import { hostCgroups } from "../cgroup/hierarchy.ts";
import type { ContainerState } from "../container/state.ts";
import { containerStatus } from "../container/status.ts";
import { RuntimeError } from "../errors.ts";
import { type Parsed, text, wholeNumber } from "../flags.ts";
import { log } from "../log.ts";
import type { Verb } from "./verb.ts";

const number = (name: string, about: string) => ({ names: [name], kind: "text" as const, about });

export const update: Verb = {
  about: "update container resource constraints",
  usage: "<container-id>",
  flags: {
    resources: {
      names: ["resources", "r"],
      kind: "text",
      about: "path to the file containing the resources to update or '-' to read from the standard input",
    },
    blkioWeight: {
      ...number("blkio-weight", "Specifies per cgroup weight, range is from 10 to 1000"),
      fallback: 0,
      check: wholeNumber,
    },
    cpuPeriod: number(
      "cpu-period",
      "CPU CFS period to be used for hardcapping (in usecs). 0 to use system default",
    ),
    cpuQuota: number("cpu-quota", "CPU CFS hardcap limit (in usecs). Allowed cpu time in a given period"),
    cpuBurst: number("cpu-burst", "CPU CFS hardcap burst limit (in usecs)"),
    cpuShare: number("cpu-share", "CPU shares (relative weight vs. other containers)"),
    cpuRtPeriod: number(
      "cpu-rt-period",
      "CPU realtime period to be used for hardcapping (in usecs). 0 to use system default",
    ),
    cpuRtRuntime: number(
      "cpu-rt-runtime",
      "CPU realtime hardcap limit (in usecs). Allowed cpu time in a given period",
    ),
    cpusetCpus: number("cpuset-cpus", "CPU(s) to use"),
    cpusetMems: number("cpuset-mems", "Memory node(s) to use"),
    cpuIdle: number("cpu-idle", "set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE"),
    memory: number("memory", "Memory limit (in bytes)"),
    memoryReservation: number("memory-reservation", "Memory reservation or soft_limit (in bytes)"),
    memorySwap: number(
      "memory-swap",
      "Total memory usage (memory + swap); set '-1' to enable unlimited swap",
    ),
    pidsLimit: {
      ...number("pids-limit", "Maximum number of pids allowed in the container"),
      fallback: 0,
      check: wholeNumber,
    },
    l3CacheSchema: number("l3-cache-schema", "The string of Intel RDT/CAT L3 cache schema"),
    memBwSchema: number("mem-bw-schema", "The string of Intel RDT/MBA memory bandwidth schema"),
    kernelMemory: number("kernel-memory", "ignored: kernels have no such limit any more"),
    kernelMemoryTcp: number("kernel-memory-tcp", "ignored: as kernel-memory"),
  },
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    if (containerStatus(store, state) === "stopped") throw new RuntimeError("container not running");
    const file = text(parsed, "resources");
    const resources =
      file !== undefined
        ? parseResources(
            readText(file === "-" ? "/proc/self/fd/0" : file),
            file === "-" ? "resources on stdin" : file,
          )
        : resourcesOfFlags(parsed);
    await updateRdt(state, text(parsed, "l3CacheSchema"), text(parsed, "memBwSchema"));
    for (const [key, name] of [
      ["kernelMemory", "kernel-memory"],
      ["kernelMemoryTcp", "kernel-memory-tcp"],
    ] as const)
      if (text(parsed, key)) log("warning", `Setting --${name} is ignored`);
    // v1 counts memory in the swap limit: who lifts the one means both.
    if (resources.memory?.limit === -1) resources.memory.swap ??= -1;
    // Devices are set at creation only, as with runc.
    const cgroups = hostCgroups();
    if (state.systemd_unit)
      (await import("../systemd/scope.ts")).updateScope(state.systemd_unit, resources, cgroups.mode === "v2");
    applyResources(cgroups, state.cgroup_paths, { ...resources, devices: undefined });
    const linux = state.config.linux ?? {};
    state.config.linux = { ...linux, resources: merged(linux.resources ?? {}, resources) };
    store.write(state);
    return 0;
  },
};

/** The schemas of Intel RDT. Throws where the host or the container has none. */
async function updateRdt(
  state: ContainerState,
  l3CacheSchema: string | undefined,
  memBwSchema: string | undefined,
): Promise<void> {
  if (!l3CacheSchema && !memBwSchema) return;
  const rdt = await import("../container/intel-rdt.ts");
  rdt.resctrlMount();
  if (!state.intel_rdt)
    throw new RuntimeError(
      "the container has no group of Intel RDT: linux.intelRdt must be in the config.json it is created from",
    );
  rdt.updateRdtGroups(
    { ...(l3CacheSchema ? { l3CacheSchema } : {}), ...(memBwSchema ? { memBwSchema } : {}) },
    state.intel_rdt,
  );
}

function merged(old: Resources, change: Resources): Resources {
  const all = { ...old, ...change };
  for (const key of ["memory", "cpu", "pids", "blockIO"] as const)
    if (old[key] && change[key]) Object.assign(all, { [key]: { ...old[key], ...change[key] } });
  return { ...all, devices: old.devices };
}

/** The flags as a resources document. */
export function resourcesOfFlags(parsed: Parsed): Resources {
  const whole = (key: string, name: string, signed = false) => {
    const value = text(parsed, key);
    if (value === undefined || value === "") return undefined;
    if (!(signed ? /^[+-]?\d+$/ : /^\d+$/).test(value)) {
      const parser = signed ? "ParseInt" : "ParseUint";
      throw new RuntimeError(
        `invalid value for ${name}: strconv.${parser}: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    }
    return Number(value);
  };
  const size = (key: string, name: string) => {
    const value = text(parsed, key);
    if (value === undefined || value === "") return undefined;
    if (value === "-1") return -1;
    const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?$/i.exec(value);
    if (!match) throw new RuntimeError(`invalid value for ${name}: invalid size: '${value}'`);
    return Math.floor(Number(match[1]) * 1024 ** " kmgtp".indexOf((match[2] || " ").toLowerCase()));
  };
  const present = <T extends object>(values: T): T | undefined =>
    Object.values(values).some((value) => value !== undefined) ? values : undefined;
  return {
    memory: present({
      limit: size("memory", "memory"),
      reservation: size("memoryReservation", "memory-reservation"),
      swap: size("memorySwap", "memory-swap"),
    }),
    cpu: present({
      shares: whole("cpuShare", "cpu-share"),
      quota: whole("cpuQuota", "cpu-quota", true),
      burst: whole("cpuBurst", "cpu-burst"),
      period: whole("cpuPeriod", "cpu-period"),
      realtimePeriod: whole("cpuRtPeriod", "cpu-rt-period"),
      realtimeRuntime: whole("cpuRtRuntime", "cpu-rt-runtime", true),
      cpus: text(parsed, "cpusetCpus"),
      mems: text(parsed, "cpusetMems"),
      idle: whole("cpuIdle", "cpu-idle", true),
    }),
    pids: present({ limit: whole("pidsLimit", "pids-limit", true) }),
    blockIO: present({ weight: whole("blkioWeight", "blkio-weight", true) }),
  };
}
