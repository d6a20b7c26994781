// Scheduler and I/O priority of the process. config.md#linux-process
import { layout, pack } from "../../../../ffi/struct.ts";
import { Address } from "../../../launcher/plan.ts";
import type { Process } from "../../../spec/oci/runtime.ts";
import type { Context } from "./context.ts";

const POLICY: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
const FLAG: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};
const IO_CLASS: Readonly<Record<string, number>> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
};

const SchedAttr = layout({
  c: "struct sched_attr",
  header: "linux/sched/types.h",
  size: 56,
  fields: {
    size: [0, "u32"],
    sched_policy: [4, "u32"],
    sched_flags: [8, "u64"],
    sched_nice: [16, "i32"],
    sched_priority: [20, "u32"],
    sched_runtime: [24, "u64"],
    sched_deadline: [32, "u64"],
    sched_period: [40, "u64"],
  },
});

/** SCHED_DEADLINE's bounds for the runtime, in nanoseconds. kernel/sched/deadline.c, __checkparam_dl */
const SHORTEST_RUNTIME = 1024;
const LONGEST_RUNTIME = 2 ** 63;

/** Throws on arguments that do not go together; the kernel would only say EINVAL. */
function checkScheduler(scheduler: NonNullable<Process["scheduler"]>): void {
  const { policy, nice = 0, priority = 0, runtime, deadline, period } = scheduler;
  const complain: (text: string) => never = (text) => {
    throw new Error(`error setting scheduler: ${text}`);
  };
  if (nice < -20 || nice > 19) complain(`invalid scheduler.nice: ${nice}`);
  if (policy === "SCHED_FIFO" || policy === "SCHED_RR") {
    if (priority < 1 || priority > 99)
      complain(`invalid scheduler.priority for ${policy}: ${priority}, must be 1 to 99`);
  } else if (priority !== 0)
    complain("scheduler.priority can only be specified for SCHED_FIFO or SCHED_RR policy");
  if (policy !== "SCHED_DEADLINE") {
    if (runtime || deadline || period)
      complain("scheduler runtime/deadline/period can only be specified for SCHED_DEADLINE policy");
    return;
  }
  const name = "sched_setattr: `SCHED_DEADLINE`";
  if (runtime === undefined) complain(`${name} requires \`runtime\``);
  if (deadline === undefined) complain(`${name} requires \`deadline\``);
  if (runtime === 0) complain(`${name} runtime must be greater than 0`);
  if (runtime < SHORTEST_RUNTIME || runtime >= LONGEST_RUNTIME)
    complain(`${name} runtime ${runtime} must be between ${SHORTEST_RUNTIME} and 2^63-1 nanoseconds`);
  if (runtime > deadline) complain(`${name} runtime ${runtime} must be <= deadline ${deadline}`);
  if (period && deadline > period) complain(`${name} deadline ${deadline} must be <= period ${period}`);
}

export function addScheduling({ plan }: Context, process: Process): void {
  const { scheduler, ioPriority } = process;
  if (scheduler) {
    checkScheduler(scheduler);
    const flags = (scheduler.flags ?? []).map((name) => {
      const flag = FLAG[name];
      if (flag === undefined) throw new Error(`invalid scheduler flag: ${name}`);
      return flag;
    });
    const attr = pack(SchedAttr, {
      size: 48, // SCHED_ATTR_SIZE_VER0
      sched_policy: POLICY[scheduler.policy] ?? 0,
      sched_flags: flags.reduce((all, flag) => all | flag, 0),
      sched_nice: scheduler.nice ?? 0,
      sched_priority: scheduler.priority ?? 0,
      sched_runtime: scheduler.runtime ?? 0,
      sched_deadline: scheduler.deadline ?? 0,
      sched_period: scheduler.period ?? 0,
    });
    const at = plan.bytes("", attr);
    plan.call("sched_setattr", [0, new Address(at.offset, `{${scheduler.policy}}`), 0], {
      why: "error setting scheduler",
    });
  }
  if (ioPriority) {
    const value = ((IO_CLASS[ioPriority.class] ?? 0) << 13) | ioPriority.priority;
    plan.call("ioprio_set", [1, 0, value], { why: "failed to set io priority" });
  }
}
