// What tells a sleeping shim that its container's cgroup ran out of memory: v1 by an eventfd, v2 by inotify.
import { O_RDONLY, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  IN_CLOEXEC,
  IN_MODIFY,
  IN_NONBLOCK,
} from "../../../../ffi/constants/poll.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { open, write } from "../../../../ffi/file.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import type { Cgroup } from "../cgroup.ts";

/** A descriptor that becomes readable; undefined where the cgroup has no memory controller, or is gone. */
export function watchOom({ v1, v2 }: Cgroup): Fd | undefined {
  const memory = v1["memory"];
  try {
    if (memory) return watchV1(memory);
    return v2 === undefined ? undefined : watchV2(v2);
  } catch {
    return undefined;
  }
}

/** kernel: admin-guide/cgroup-v1/memory.rst, 10. OOM control. */
function watchV1(directory: string): Fd {
  const event = new Fd(syscall("eventfd2", directory, 0, EFD_CLOEXEC | EFD_NONBLOCK), directory);
  try {
    using oom = open(`${directory}/memory.oom_control`, O_RDONLY);
    using control = open(`${directory}/cgroup.event_control`, O_WRONLY);
    write(control, new TextEncoder().encode(`${event.number} ${oom.number}`));
    return event;
  } catch (error) {
    event.close();
    throw error;
  }
}

/** kernel: admin-guide/cgroup-v2.rst: memory.events generates a file modified event. */
function watchV2(directory: string): Fd {
  const path = `${directory}/memory.events`;
  const inotify = new Fd(syscall("inotify_init1", path, IN_CLOEXEC | IN_NONBLOCK), path);
  try {
    syscall("inotify_add_watch", path, inotify.number, cstr(path), IN_MODIFY);
    return inotify;
  } catch (error) {
    inotify.close();
    throw error;
  }
}
