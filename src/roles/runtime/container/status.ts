// A container's status, asked of the kernel each time: the process, the start FIFO's reader, the freezer.
import { NR } from "../../../../ffi/arch/index.ts";
import { O_CLOEXEC, O_NONBLOCK, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { ERRNO, SyscallError } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { cstr, rawSyscall } from "../../../../ffi/libc.ts";
import { isAlive } from "../../../../ffi/process.ts";
import type { State, Status } from "../../../spec/oci/runtime.ts";
import { isFrozen } from "../cgroup/container.ts";
import type { ContainerState, StateStore } from "./state.ts";

/**
 * The start FIFO's write end, when the container's first process still waits on it: it holds the FIFO open until its
 * execve. undefined: nobody waits.
 */
export function openStartFifo(path: string): Fd | undefined {
  const result = rawSyscall(NR.openat, -100, cstr(path), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (result >= 0) return new Fd(result, path);
  if (result === -ERRNO["ENXIO"]! || result === -ERRNO["ENOENT"]!) return undefined;
  throw new SyscallError("openat", -result, path);
}

export function containerStatus(store: StateStore, state: ContainerState): Status {
  if (!isAlive(state.init_process_pid, state.init_process_start)) return "stopped";
  if (!state.ready) return "creating";
  if (isFrozen(state.cgroup_paths)) return "paused";
  const fifo = openStartFifo(store.startFifo(state.id));
  if (!fifo) return "running";
  fifo.close();
  return "created";
}

/** The state document of the spec, for hooks and `state`. */
export function stateDocument(state: ContainerState, status: Status): State {
  const { annotations } = state.config;
  return {
    ociVersion: state.config.ociVersion,
    id: state.id,
    status,
    ...(status === "stopped" ? {} : { pid: state.init_process_pid }),
    bundle: state.bundle,
    ...(annotations && Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}
