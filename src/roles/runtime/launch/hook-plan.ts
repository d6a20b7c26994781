// A hook that runs in the container's namespaces: join them all, then become the program.
import { arch } from "../../../../ffi/arch/index.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { CLOSE_RANGE_CLOEXEC } from "../../../../ffi/constants/sched.ts";
import { bits, Constant, type Label, Plan } from "../../../launcher/plan.ts";
import type { Hook } from "../../../spec/oci/runtime.ts";
import type { ContainerState } from "../container/state.ts";
import { AT_FDCWD } from "./context.ts";
import { flagsOf } from "./namespaces.ts";

/** The plan of one hook. It reports nothing: a failed record ends it with 126. */
export function hookPlan(hook: Hook, container: ContainerState, env: readonly string[]): Plan {
  const plan = new Plan(`hook ${hook.path}`, arch);
  const pid = container.init_process_pid;
  const types = (container.config.linux?.namespaces ?? [])
    .map(({ type }) => type)
    .filter((type) => type !== "time");
  plan.call("close_range", [3, new Constant(0xffffffff, "~0"), bits({ CLOSE_RANGE_CLOEXEC })]);
  const root = plan.slot("root");
  plan.call(
    "openat",
    [AT_FDCWD, plan.string(`/proc/${pid}/root`), bits({ O_PATH, O_DIRECTORY, O_CLOEXEC })],
    { into: root },
  );
  if (types.length > 0) {
    const process = plan.slot("process");
    plan.call("pidfd_open", [pid, 0], { into: process });
    plan.call("setns", [process, flagsOf(types)]);
  }
  // setns into a mount namespace lands at its root; before pivot_root that is the host's tree, as the spec wants it.
  plan.call("fchdir", [root]);
  plan.call("chroot", [plan.string(".")]);
  // Before pivot_root the bundle is there to be seen, and hooks start in it.
  plan.call("chdir", [plan.string(container.bundle)], { tolerate: "any" });
  const child = plan.label("in the pid namespace");
  if (types.includes("pid")) joinPid(plan, child);
  plan.place(child);
  const argv = (hook.args?.length ? hook.args : [hook.path]).map((arg) => plan.string(arg));
  const envp = env.map((entry) => plan.string(entry));
  plan.call("execve", [plan.string(hook.path), plan.pointers("argv", argv), plan.pointers("envp", envp)]);
  return plan;
}

const SIGCHLD = 17;

/** A joined pid namespace holds only children: one is made, waited for, and its exit code handed on. */
function joinPid(plan: Plan, child: Label): void {
  const args = new Uint8Array(88);
  new DataView(args.buffer).setBigUint64(32, BigInt(SIGCHLD), true);
  const status = plan.slot("status");
  const signal = plan.slot("signal");
  const code = plan.slot("code");
  const exited = plan.label("exited");
  const pid = plan.slot("child");
  plan.call("clone3", [plan.bytes("clone_args {SIGCHLD}", args), 88], { zero: child, into: pid });
  plan.call("wait4", [pid, plan.addressOf(status), 0, 0]);
  plan.compute(status, 0x7f, 0, 0, { into: signal, zero: exited });
  plan.compute(signal, -1, 0, -128, { into: code });
  plan.call("exit_group", [code]);
  plan.place(exited);
  plan.compute(status, 0xff00, 8, 0, { into: code });
  plan.call("exit_group", [code]);
}
