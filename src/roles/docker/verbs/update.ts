import { any, type Command } from "../command.ts";
import { containerFlags } from "../create/flags.ts";
import { parseRestart } from "../create/host.ts";
import { each } from "../errors.ts";
import type { Flag } from "../flags/flagset.ts";

const NAMES = [
  "blkio-weight",
  "cpu-period",
  "cpu-quota",
  "cpu-rt-period",
  "cpu-rt-runtime",
  "cpu-shares",
  "cpus",
  "cpuset-cpus",
  "cpuset-mems",
  "kernel-memory",
  "memory",
  "memory-reservation",
  "memory-swap",
  "pids-limit",
];

const flagsOfUpdate: readonly Flag[] = [
  ...containerFlags.filter((flag) => NAMES.includes(flag.name)),
  { name: "restart", kind: "string", usage: "Restart policy to apply when a container exits" },
];

export const update: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Update configuration of one or more containers",
  aliases: ["docker container update", "docker update"],
  flags: flagsOfUpdate,
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    if (!flagsOfUpdate.some((flag) => flags.changed(flag.name))) {
      throw new Error("you must provide one or more flags when using this command");
    }
    const number = (name: string) => flags.number(name);
    const json = {
      CpuShares: number("cpu-shares"),
      Memory: number("memory"),
      NanoCpus: number("cpus"),
      CgroupParent: "",
      BlkioWeight: number("blkio-weight"),
      BlkioWeightDevice: null,
      BlkioDeviceReadBps: null,
      BlkioDeviceWriteBps: null,
      BlkioDeviceReadIOps: null,
      BlkioDeviceWriteIOps: null,
      CpuPeriod: number("cpu-period"),
      CpuQuota: number("cpu-quota"),
      CpuRealtimePeriod: number("cpu-rt-period"),
      CpuRealtimeRuntime: number("cpu-rt-runtime"),
      CpusetCpus: flags.string("cpuset-cpus"),
      CpusetMems: flags.string("cpuset-mems"),
      Devices: null,
      DeviceCgroupRules: null,
      DeviceRequests: null,
      MemoryReservation: number("memory-reservation"),
      MemorySwap: number("memory-swap"),
      MemorySwappiness: null,
      OomKillDisable: null,
      PidsLimit: flags.changed("pids-limit") ? number("pids-limit") : null,
      Ulimits: null,
      CpuCount: 0,
      CpuPercent: 0,
      IOMaximumIOps: 0,
      IOMaximumBandwidth: 0,
      RestartPolicy:
        flags.string("restart") === ""
          ? { Name: "", MaximumRetryCount: 0 }
          : parseRestart(flags.string("restart")),
    };
    const warnings: string[] = [];
    const code = await each(
      args,
      async (name) => {
        const answer = await cli.client.json<{ Warnings: string[] | null }>(
          "POST",
          `/containers/${encodeURIComponent(name)}/update`,
          { json },
        );
        cli.out(`${name}\n`);
        warnings.push(...(answer?.Warnings ?? []));
      },
      (line) => cli.err(line),
    );
    if (warnings.length > 0) cli.out(`${warnings.join("\n")}\n`);
    return code;
  },
};
