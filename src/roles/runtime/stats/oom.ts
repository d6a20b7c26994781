// Waiting for what the kernel tells of a container without asking it again and again: OOM kills, and the container's end.
import { NR } from "../../../../ffi/arch/index.ts";
import { O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { ERRNO, isErrno, SyscallError } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { open, read } from "../../../../ffi/file.ts";
import { rawSyscall, syscall } from "../../../../ffi/libc.ts";
import { exists } from "../../../../ffi/path.ts";
import { writeControl } from "../cgroup/files.ts";
import type { CgroupPaths } from "../cgroup/paths.ts";
import { keyed } from "./read.ts";

const POLLIN = 1;
const POLLPRI = 2;
const EFD_CLOEXEC = 0o2000000;

/** A source of OOM notices: a descriptor to poll, and what to ask when it wakes. */
export interface OomSource extends Disposable {
  fd: number;
  events: number;
  /** Whether a process was killed for memory since the last call. */
  killed(): boolean;
}

/** undefined where no memory controller watches the container. */
export function oomSource(paths: CgroupPaths): OomSource | undefined {
  if (paths["memory"] !== undefined) return v1Source(paths["memory"]);
  const unified = paths[""];
  if (unified === undefined || !exists(`${unified}/memory.events`)) return undefined;
  return v2Source(unified);
}

/** An eventfd registered with the controller. Documentation/admin-guide/cgroup-v1/memory.rst, 9. */
function v1Source(directory: string): OomSource {
  const notice = new Fd(syscall("eventfd2", "oom", 0, EFD_CLOEXEC), "eventfd");
  const control = open(`${directory}/memory.oom_control`, O_RDONLY);
  writeControl(directory, "cgroup.event_control", `${notice.number} ${control.number}`);
  return {
    fd: notice.number,
    events: POLLIN,
    killed() {
      read(notice, new Uint8Array(8));
      // The removal of the cgroup wakes it as well.
      return exists(`${directory}/cgroup.event_control`);
    },
    [Symbol.dispose]() {
      notice.close();
      control.close();
    },
  };
}

/** memory.events wakes a poll for POLLPRI on every change. Documentation/admin-guide/cgroup-v2, memory.events */
function v2Source(directory: string): OomSource {
  const file = open(`${directory}/memory.events`, O_RDONLY);
  const count = () => keyed(directory, "memory.events")["oom_kill"] ?? 0;
  let last = count();
  return {
    fd: file.number,
    events: POLLPRI,
    killed() {
      // A read arms the next notice; the file may go at any moment.
      try {
        rawSyscall(NR.lseek, file.number, 0, 0);
        read(file, new Uint8Array(4096));
      } catch (error) {
        if (!isErrno(error, "ENODEV")) throw error;
      }
      const now = count();
      const more = now > last;
      last = Math.max(last, now);
      return more;
    },
    [Symbol.dispose]: () => file.close(),
  };
}

/** Waits until one of the descriptors is ready or the time is over; returns which are. man 2 ppoll */
export function pollAll(sources: readonly { fd: number; events: number }[], milliseconds: number): boolean[] {
  const set = new Int32Array(2 * sources.length);
  sources.forEach(({ fd, events }, i) => {
    set[2 * i] = fd;
    set[2 * i + 1] = events;
  });
  const time = new BigInt64Array([
    BigInt(Math.floor(milliseconds / 1000)),
    BigInt(Math.floor((milliseconds % 1000) * 1e6)),
  ]);
  const result = rawSyscall(NR.ppoll, set, sources.length, time, 0, 0);
  if (result < 0 && result !== -ERRNO["EINTR"]!) throw new SyscallError("ppoll", -result);
  return sources.map((_, i) => result > 0 && set[2 * i + 1]! >>> 16 !== 0);
}
