// One reading of a task's cgroup.
import { fromBinary } from "@bufbuild/protobuf";
import type { AnyValue } from "../../../wire/containerd/services.ts";
import {
  type Metrics as Metrics1,
  MetricsSchema as Metrics1Schema,
} from "../../../wire/gen/metrics/cgroup1_pb.ts";
import {
  type Metrics as Metrics2,
  MetricsSchema as Metrics2Schema,
} from "../../../wire/gen/metrics/cgroup2_pb.ts";
import { type Command, UsageError } from "../command.ts";
import { goTime } from "../format.ts";
import { goJson } from "../go-json.ts";
import { table, WIDE } from "../table.ts";

type Row = [string, string];
const row = (name: string, value: bigint | undefined): Row => [name, `${value ?? 0n}`];

function rowsOfV1({ memory, cpu, pids }: Metrics1): Row[] {
  return [
    ...(memory
      ? [
          row("memory.usage_in_bytes", memory.usage?.usage),
          row("memory.limit_in_bytes", memory.usage?.limit),
          row("memory.stat.cache", memory.totalCache),
        ]
      : []),
    ...(cpu
      ? [
          row("cpuacct.usage", cpu.usage?.total),
          ["cpuacct.usage_percpu", `[${(cpu.usage?.perCpu ?? []).join(" ")}]`] satisfies Row,
        ]
      : []),
    ...(pids ? [row("pids.current", pids.current), row("pids.limit", pids.limit)] : []),
  ];
}

function rowsOfV2({ memory, cpu, pids }: Metrics2): Row[] {
  return [
    ...(pids ? [row("pids.current", pids.current), row("pids.limit", pids.limit)] : []),
    ...(cpu
      ? [
          row("cpu.usage_usec", cpu.usageUsec),
          row("cpu.user_usec", cpu.userUsec),
          row("cpu.system_usec", cpu.systemUsec),
          row("cpu.nr_periods", cpu.nrPeriods),
          row("cpu.nr_throttled", cpu.nrThrottled),
          row("cpu.throttled_usec", cpu.throttledUsec),
        ]
      : []),
    ...(memory
      ? [
          row("memory.usage", memory.usage),
          row("memory.usage_limit", memory.usageLimit),
          row("memory.swap_usage", memory.swapUsage),
          row("memory.swap_limit", memory.swapLimit),
        ]
      : []),
  ];
}

/** The figures for people, and as containerd's structs are written to JSON. */
function read({ typeUrl, value }: AnyValue): { rows: Row[]; json: unknown } {
  const name = typeUrl.split("/").at(-1);
  if (name === Metrics1Schema.typeName) {
    const figures = fromBinary(Metrics1Schema, value);
    return { rows: rowsOfV1(figures), json: goJson(Metrics1Schema, figures) };
  }
  if (name === Metrics2Schema.typeName) {
    const figures = fromBinary(Metrics2Schema, value);
    return { rows: rowsOfV2(figures), json: goJson(Metrics2Schema, figures) };
  }
  throw new UsageError(
    `cannot convert metric data to cgroups.Metrics or windowsstats.Statistics: ${typeUrl}`,
  );
}

export const metrics: Command = {
  names: ["metrics", "metric"],
  about: "get a single data point of metrics for a task with the built-in Linux runtime",
  use: "[command options] CONTAINER",
  flags: [{ name: "format", kind: "string", about: '"table" or "json"', default: "table" }],
  async run({ services, ns, flags, args: [id], out }) {
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    const { containers, tasks } = await services();
    await containers.get(ns, id);
    await tasks.get(ns, id);
    const [metric] = await tasks.metrics(ns, [`id==${id}`]);
    if (!metric) throw new UsageError(`no metrics received for ${id}`);
    const { rows, json } = read(metric.data);
    switch (flags.string("format")) {
      case "table":
        out(
          table(
            [
              ["ID", "TIMESTAMP"],
              [metric.id, goTime(metric.timestamp)],
            ],
            WIDE,
          ),
        );
        out(`\n${table([["METRIC", "VALUE"], ...rows], WIDE)}`);
        return 0;
      case "json":
        out(`${JSON.stringify(json, undefined, 2)}\n`);
        return 0;
      default:
        throw new UsageError("format must be table or json");
    }
  },
};
