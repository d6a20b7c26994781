// HostConfig's limits → cgroup limits of the OCI spec. Only what was asked for is written: an absent field is the kernel's default.
import { statSync } from "node:fs";
import type { HostConfig, Resources as Limits } from "../../../spec/engine/host-config.ts";
import type { Resources, ThrottleDevice } from "../../../spec/oci/runtime.ts";
import { badRequest } from "../errors.ts";
import { deviceNumbers } from "./devices.ts";

/** CFS period that --cpus is counted in, in microseconds. */
const CPU_PERIOD = 100_000;

function throttles(list: readonly { Path: string; Rate: number }[] | null): ThrottleDevice[] | undefined {
  if (!list?.length) return undefined;
  return list.map(({ Path, Rate }) => ({ ...blockDevice(Path), rate: Rate }));
}

function blockDevice(path: string): { major: number; minor: number } {
  try {
    return deviceNumbers(statSync(path).rdev);
  } catch {
    throw badRequest(`no such device: "${path}"`);
  }
}

/** Drops undefined fields; undefined when nothing is left. */
function some<T extends object>(fields: T): T | undefined {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T);
}

const unlessZero = (value: number): number | undefined => (value === 0 ? undefined : value);

/** Memory, CPU, pids and block I/O; devices are devices.ts's. */
export function resources(host: HostConfig): Resources {
  const quota = host.NanoCpus
    ? { quota: Math.round((host.NanoCpus * CPU_PERIOD) / 1e9), period: CPU_PERIOD }
    : { quota: unlessZero(host.CpuQuota), period: unlessZero(host.CpuPeriod) };
  const pids = host.PidsLimit !== null && host.PidsLimit > 0 ? { limit: host.PidsLimit } : undefined;
  return (
    some<Resources>({
      memory: some({
        limit: unlessZero(host.Memory),
        reservation: unlessZero(host.MemoryReservation),
        swap: unlessZero(host.MemorySwap),
        swappiness:
          host.MemorySwappiness === null || host.MemorySwappiness === -1 ? undefined : host.MemorySwappiness,
        disableOOMKiller: host.OomKillDisable ? true : undefined,
      }),
      cpu: some({
        shares: unlessZero(host.CpuShares),
        ...quota,
        realtimePeriod: unlessZero(host.CpuRealtimePeriod),
        realtimeRuntime: unlessZero(host.CpuRealtimeRuntime),
        cpus: host.CpusetCpus || undefined,
        mems: host.CpusetMems || undefined,
      }),
      pids,
      blockIO: some({
        weight: unlessZero(host.BlkioWeight),
        weightDevice: host.BlkioWeightDevice?.length
          ? host.BlkioWeightDevice.map(({ Path, Weight }) => ({ ...blockDevice(Path), weight: Weight }))
          : undefined,
        throttleReadBpsDevice: throttles(host.BlkioDeviceReadBps),
        throttleWriteBpsDevice: throttles(host.BlkioDeviceWriteBps),
        throttleReadIOPSDevice: throttles(host.BlkioDeviceReadIOps),
        throttleWriteIOPSDevice: throttles(host.BlkioDeviceWriteIOps),
      }),
    }) ?? {}
  );
}

/** What a running container's cgroup is told after an update: the groups of limits that were asked about, as they are now. */
export function updatedResources(host: HostConfig, asked: Limits): Resources {
  const all = resources(host);
  const memory = asked.Memory !== 0 || asked.MemoryReservation !== 0 || asked.MemorySwap !== 0;
  const cpu =
    asked.CpuShares !== 0 ||
    asked.NanoCpus !== 0 ||
    asked.CpuPeriod !== 0 ||
    asked.CpuQuota !== 0 ||
    asked.CpuRealtimePeriod !== 0 ||
    asked.CpuRealtimeRuntime !== 0 ||
    asked.CpusetCpus !== "" ||
    asked.CpusetMems !== "";
  const { limit, reservation, swap } = all.memory ?? {};
  return {
    ...(memory ? { memory: some({ limit, reservation, swap }) } : {}),
    ...(cpu ? { cpu: all.cpu } : {}),
    // Unlike at creation, "no limit" has to be said.
    ...(asked.PidsLimit === null ? {} : { pids: { limit: asked.PidsLimit > 0 ? asked.PidsLimit : -1 } }),
    ...(asked.BlkioWeight !== 0 ? { blockIO: { weight: asked.BlkioWeight } } : {}),
  };
}
