// A signal to a container's first process, where our own runtime's `kill` would do nothing more.
import { isErrno } from "../../../ffi/errno.ts";
import { pidfdOpen, pidfdSignal } from "../../../ffi/process.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import { type Cgroup, frozen } from "./cgroup.ts";
import type { Exits } from "./exits.ts";

const SIGKILL = 9;

export interface Target {
  pid: number;
  /** Whether every process of the container ends with it. */
  ownPids: boolean;
  cgroup: Cgroup | undefined;
  exits: Exits;
}

/**
 * Sends a signal; false: more is to be done than that, which the runtime knows (everybody is to be killed, or is frozen).
 * Throws NotFound when the process has ended, and the runtime's words for what is no signal.
 */
export function signalInit({ pid, ownPids, cgroup, exits }: Target, signal: number): boolean {
  if (signal === SIGKILL && (!ownPids || !cgroup || frozen(cgroup))) return false;
  const gone = () => new ServiceError("NotFound", "process already finished");
  // It is a child that nobody but us reaps: as long as it is claimed its pid is its own.
  if (!exits.awaits(pid)) throw gone();
  using process = pidfdOpen(pid);
  try {
    if (!process || !pidfdSignal(process, signal)) throw gone();
  } catch (error) {
    if (!isErrno(error, "EINVAL")) throw error;
    throw new Error("unable to signal init: invalid argument", { cause: error });
  }
  return true;
}
