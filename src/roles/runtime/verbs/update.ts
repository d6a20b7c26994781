import { readText } from "../../../../ffi/path.ts";
import type { Resources } from "../../../spec/oci/runtime.ts";
import { parseResources } from "../../../spec/oci/runtime-validate.ts";
import { applyResources } from "../cgroup/container.ts";
import { hostCgroups } from "../cgroup/hierarchy.ts";
import { containerStatus } from "../container/status.ts";
import { RuntimeError } from "../errors.ts";
import { type Parsed, text, UsageError } from "../flags.ts";
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
    blkioWeight: number("blkio-weight", "Specifies per cgroup weight, range is from 10 to 1000"),
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
    cpuRtRuntime: number("cpu-rt-runtime", "CPU realtime hardcap limit (in usecs)"),
    cpusetCpus: number("cpuset-cpus", "CPU(s) to use"),
    cpusetMems: number("cpuset-mems", "Memory node(s) to use"),
    cpuIdle: number("cpu-idle", "set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE"),
    memory: number("memory", "Memory limit (in bytes)"),
    memoryReservation: number("memory-reservation", "Memory reservation or soft_limit (in bytes)"),
    memorySwap: number(
      "memory-swap",
      "Total memory usage (memory + swap); set '-1' to enable unlimited swap",
    ),
    pidsLimit: number("pids-limit", "Maximum number of pids allowed in the container"),
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
    // Devices are set at creation only, as with runc.
    applyResources(hostCgroups(), state.cgroup_paths, { ...resources, devices: undefined });
    const linux = state.config.linux ?? {};
    state.config.linux = { ...linux, resources: merged(linux.resources ?? {}, resources) };
    store.write(state);
    return 0;
  },
};

function merged(old: Resources, change: Resources): Resources {
  const all = { ...old, ...change };
  for (const key of ["memory", "cpu", "pids", "blockIO"] as const)
    if (old[key] && change[key]) Object.assign(all, { [key]: { ...old[key], ...change[key] } });
  return { ...all, devices: old.devices };
}

/** The flags as a resources document. */
export function resourcesOfFlags(parsed: Parsed): Resources {
  const whole = (name: string) => {
    const value = text(parsed, name);
    if (value === undefined || value === "") return undefined;
    if (!/^-?\d+$/.test(value)) throw new UsageError(`invalid value for ${name}: ${value}`);
    return Number(value);
  };
  const size = (name: string) => {
    const value = text(parsed, name);
    if (value === undefined || value === "") return undefined;
    if (value === "-1") return -1;
    const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?$/i.exec(value);
    if (!match) throw new UsageError(`invalid value for ${name}: ${value}`);
    return Math.floor(Number(match[1]) * 1024 ** " kmgtp".indexOf((match[2] || " ").toLowerCase()));
  };
  const present = <T extends object>(values: T): T | undefined =>
    Object.values(values).some((value) => value !== undefined) ? values : undefined;
  return {
    memory: present({
      limit: size("memory"),
      reservation: size("memoryReservation"),
      swap: size("memorySwap"),
    }),
    cpu: present({
      shares: whole("cpuShare"),
      quota: whole("cpuQuota"),
      burst: whole("cpuBurst"),
      period: whole("cpuPeriod"),
      realtimePeriod: whole("cpuRtPeriod"),
      realtimeRuntime: whole("cpuRtRuntime"),
      cpus: text(parsed, "cpusetCpus"),
      mems: text(parsed, "cpusetMems"),
      idle: whole("cpuIdle"),
    }),
    pids: present({ limit: whole("pidsLimit") }),
    blockIO: present({ weight: whole("blkioWeight") }),
  };
}
