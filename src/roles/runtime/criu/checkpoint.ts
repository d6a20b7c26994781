// A dump: criu saves the container's processes as images, and ends them unless they are left running.

import { NR } from "../../../../ffi/arch/index.ts";
import { F_GETFL, O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { open } from "../../../../ffi/file.ts";
import { rawSyscall } from "../../../../ffi/libc.ts";
import { linkText, writeText } from "../../../../ffi/path.ts";
import type { ContainerState } from "../container/state.ts";
import { RuntimeError } from "../errors.ts";
import { externalAtDump, externalNamespaces } from "./external.ts";
import { DESCRIPTORS, type Directories } from "./flags.ts";
import { type CriuOptions, type Features, REQUEST } from "./rpc.ts";
import { converse, findCriu, SOCKET } from "./swrk.ts";

export interface DumpOptions {
  criu: string;
  directories: Directories;
  shared: Omit<CriuOptions, "imagesDirFd">;
  leaveRunning: boolean;
  preDump: boolean;
  /** Images of a pre-dump, relative to these. */
  parent: string | undefined;
  pageServer: { address: string; port: number } | undefined;
  /** Gets a byte once lazy pages can be served; -1: nobody wants it. */
  statusFd: number;
}

/** Throws RuntimeError with what criu complained of; the container goes on then. */
export async function dump(state: ContainerState, options: DumpOptions): Promise<void> {
  const { directories, shared, preDump, statusFd } = options;
  const path = findCriu(options.criu);
  const spawn = (socket: number) =>
    Bun.spawn([path, "swrk", String(SOCKET)], {
      stdio: ["ignore", "ignore", "ignore", socket] as unknown as ["ignore", "ignore", "ignore"],
      env: process.env,
    });
  const logFile = `${directories.work ?? directories.images}/dump.log`;
  if (shared.lazyPages && statusFd !== -1) checkWritable(statusFd);
  for (const [wanted, feature, name] of [
    [preDump, "memTrack", "MemTrack"],
    [shared.lazyPages, "lazyPages", "LazyPages"],
  ] as const) {
    if (!wanted) continue;
    const features: Features = { [feature]: true };
    const answer = await converse({
      spawn,
      request: () => ({ type: REQUEST.featureCheck, features }),
      logFile,
    });
    if (!answer.features?.[feature]) throw new RuntimeError(`criu is missing features: [${name}]`);
  }
  using images = open(directories.images, O_RDONLY | O_DIRECTORY);
  using work = directories.work === undefined ? undefined : open(directories.work, O_RDONLY | O_DIRECTORY);
  const freezer = state.cgroup_paths["freezer"] ?? state.cgroup_paths[""];
  const request: CriuOptions = {
    ...shared,
    imagesDirFd: images.number,
    logFile: "dump.log",
    root: state.rootfs,
    pid: state.init_process_pid,
    leaveRunning: options.leaveRunning,
    // Files that are open but removed: without it such a container could not be saved.
    linkRemap: true,
    external: externalNamespaces(state.config),
    ...(work ? { workDirFd: work.number } : {}),
    ...(freezer === undefined ? {} : { freezeCgroup: freezer }),
    ...(options.pageServer ? { pageServer: options.pageServer } : {}),
    ...(options.parent === undefined ? {} : { parentImg: options.parent, trackMem: true }),
    ...(preDump ? { trackMem: true } : { extMnt: externalAtDump(state) }),
  };
  if (!preDump) {
    const stdio = [0, 1, 2].map((fd) => linkText(`/proc/${state.init_process_pid}/fd/${fd}`));
    writeText(`${directories.images}/${DESCRIPTORS}`, JSON.stringify(stdio), { mode: 0o600 });
  }
  await converse({
    spawn,
    request: () => ({ type: preDump ? REQUEST.preDump : REQUEST.dump, options: request }),
    logFile,
    notified: (script) => {
      if (script === "status-ready" && statusFd !== -1) {
        rawSyscall(NR.write, statusFd, new Uint8Array(1), 1);
        rawSyscall(NR.close, statusFd);
      }
    },
  });
}

function checkWritable(fd: number): void {
  const flags = rawSyscall(NR.fcntl, fd, F_GETFL, 0);
  if (flags < 0) throw new RuntimeError(`invalid --status-fd argument ${fd}: bad file descriptor`);
  if ((flags & (O_WRONLY | O_RDWR)) === 0)
    throw new RuntimeError(`invalid --status-fd argument ${fd}: not writable`);
}
