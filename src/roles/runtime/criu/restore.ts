// A restore: criu brings the saved processes back, as children of this one, in cgroups and a state that are made anew.
import { O_DIRECTORY, O_PATH, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { MS_BIND, MS_PRIVATE, MS_REC } from "../../../../ffi/constants/mount.ts";
import { CLONE_NEWNS } from "../../../../ffi/constants/sched.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import { readText, realPath } from "../../../../ffi/path.ts";
import { processStat } from "../../../../ffi/process.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import { createCgroups } from "../cgroup/container.ts";
import { writeControl } from "../cgroup/files.ts";
import { hostCgroups, membership } from "../cgroup/hierarchy.ts";
import { directories as cgroupDirectories, containerCgroups } from "../cgroup/paths.ts";
import { checkConfig } from "../container/check.ts";
import { runHooks } from "../container/hooks.ts";
import { destroyContainer, killAndWait } from "../container/kill.ts";
import { absolute, resolveRootfs } from "../container/launch.ts";
import { namespacePaths } from "../container/launcher-talk.ts";
import { absoluteSources } from "../container/mount-source.ts";
import { type ContainerState, newState, type StateStore } from "../container/state.ts";
import { stateDocument } from "../container/status.ts";
import { RuntimeError } from "../errors.ts";
import { externalAtRestore, namespacesAtRestore } from "./external.ts";
import { DESCRIPTORS, type Directories } from "./flags.ts";
import { makeMountpoints } from "./mountpoints.ts";
import { type CriuOptions, REQUEST } from "./rpc.ts";
import { converse, findCriu, SOCKET } from "./swrk.ts";

export interface RestoreOptions {
  id: string;
  bundle: string;
  config: Config;
  store: StateStore;
  criu: string;
  directories: Directories;
  shared: Omit<CriuOptions, "imagesDirFd">;
  noPivot: boolean;
  /** Takes the master of the container's terminal. */
  console?: (master: Fd) => void;
}

/** Resolves to the running container's state. What fails leaves nothing behind. */
export async function restore(options: RestoreOptions): Promise<ContainerState> {
  const { id, store, config } = options;
  const criu = findCriu(options.criu);
  const bundle = realPath(options.bundle);
  checkConfig(config);
  const rootfs = resolveRootfs(absolute(bundle, config.root?.path ?? "rootfs"));
  absoluteSources(config, bundle);
  const cgroups = hostCgroups();
  const state = newState({
    id,
    bundle,
    rootfs,
    cgroup_paths: containerCgroups(cgroups, membership("self"), config.linux?.cgroupsPath, id),
    no_pivot: options.noPivot,
    // Keyrings are not saved: the processes come back with the caller's.
    keyring: false,
    config,
  });
  store.claim(id);
  try {
    store.write(state);
    createCgroups(cgroups, state.cgroup_paths, config.linux?.resources ?? {});
    await bringBack(state, options, criu);
    return state;
  } catch (error) {
    if (state.init_process_pid > 0) killAndWait(state);
    await destroyContainer(store, state);
    throw error;
  }
}

async function bringBack(state: ContainerState, options: RestoreOptions, criu: string): Promise<void> {
  const { directories, config, store } = options;
  {
    using root = open(state.rootfs, O_PATH | O_DIRECTORY);
    makeMountpoints(root, config.mounts ?? []);
  }
  enterOwnMounts(state.rootfs);
  using images = open(directories.images, O_RDONLY | O_DIRECTORY);
  using work = directories.work === undefined ? undefined : open(directories.work, O_RDONLY | O_DIRECTORY);
  const namespaces = namespacesAtRestore(config);
  const request: CriuOptions = {
    ...options.shared,
    imagesDirFd: images.number,
    logFile: "restore.log",
    root: state.rootfs,
    evasiveDevices: true,
    // Its children become ours, for us to wait for.
    rstSibling: true,
    extMnt: externalAtRestore(state),
    inheritFd: [
      ...savedPipes(directories.images),
      ...namespaces.open.map(({ key }, i) => ({ key, fd: SOCKET + 1 + i })),
    ],
    joinNs: namespaces.join,
    ...(work ? { workDirFd: work.number } : {}),
  };
  try {
    await converse({
      logFile: `${directories.work ?? directories.images}/restore.log`,
      spawn: (socket) =>
        Bun.spawn([criu, "swrk", String(SOCKET)], {
          env: process.env,
          stdio: [0, 1, 2, socket, ...namespaces.open.map(({ fd }) => fd.number)] as unknown as [
            "inherit",
            "inherit",
            "inherit",
          ],
        }),
      request: (pid) => {
        // What it restores starts in its own cgroups.
        for (const directory of cgroupDirectories(state.cgroup_paths))
          writeControl(directory, "cgroup.procs", String(pid));
        const cgRoot = [...membership(pid)].map(([controller, path]) => [controller, path] as const);
        return { type: REQUEST.restore, options: { ...request, cgRoot } };
      },
      notified: (script, pid, fds) => notified(state, options, script, pid, fds),
    });
  } finally {
    for (const { fd } of namespaces.open) fd.close();
  }
  if (state.init_process_pid === 0) throw new RuntimeError("criu restored no process");
  state.ready = true;
  store.write(state);
}

/**
 * A mount namespace for this thread and criu, where the root file system is a mount point, as criu wants it: nothing of
 * that is seen outside, or is left when both have ended. What criu gets as a descriptor is to be opened after it.
 */
function enterOwnMounts(rootfs: string): void {
  syscall("unshare", "criu's mounts", CLONE_NEWNS);
  syscall("mount", "/", 0, cstr("/"), 0, MS_REC | MS_PRIVATE, 0);
  syscall("mount", rootfs, cstr(rootfs), cstr(rootfs), 0, MS_BIND | MS_REC, 0);
}

async function notified(
  state: ContainerState,
  options: RestoreOptions,
  script: string,
  pid: number,
  fds: readonly Fd[],
): Promise<void> {
  const { hooks } = state.config;
  if (script === "setup-namespaces") {
    const document = { ...stateDocument(state, "creating"), pid };
    await runHooks("prestart", hooks?.prestart, document);
    await runHooks("createRuntime", hooks?.createRuntime, document);
  } else if (script === "post-restore") {
    state.init_process_pid = pid;
    state.init_process_start = processStat(pid)?.startTime ?? 0;
    state.namespace_paths = namespacePaths(pid);
    options.store.write(state);
  } else if (script === "orphan-pts-master" && fds[0]) options.console?.(fds[0]);
}

/** The pipes that the first process's stdio was, and which of ours takes the place of each. */
function savedPipes(images: string): { key: string; fd: number }[] {
  const saved = JSON.parse(readText(`${images}/${DESCRIPTORS}`)) as string[];
  return saved.flatMap((key, fd) => (key.includes("pipe:") ? [{ key, fd }] : []));
}
