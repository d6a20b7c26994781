// create and run: config.json becomes cgroups, a plan, a launcher, and a container that waits for its start.

import { arch } from "../../../../ffi/arch/index.ts";
import { O_DIRECTORY, O_PATH, O_RDWR, S_IFIFO } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { mknodat, open, write } from "../../../../ffi/file.ts";
import { print } from "../../../../ffi/output.ts";
import { exists, kindOf, readText, realPath } from "../../../../ffi/path.ts";
import { renderPlan } from "../../../launcher/render.ts";
import {
  inherited,
  PlanError,
  pipe,
  type Report,
  type RunningPlan,
  spawnPlan,
} from "../../../launcher/spawn.ts";
import { span } from "../../../observe/trace.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import { parseConfig } from "../../../spec/oci/runtime-validate.ts";
import { createCgroups, removeCgroups } from "../cgroup/container.ts";
import { hostCgroups, membership } from "../cgroup/hierarchy.ts";
import { cgroupOwner, giveCgroup } from "../cgroup/ownership.ts";
import { containerCgroups } from "../cgroup/paths.ts";
import { RuntimeError } from "../errors.ts";
import {
  clampRlimits,
  execLabel,
  existsPlainly,
  foreignStdio,
  hostCapabilities,
  inUserNamespace,
  mountLabel,
  oomScore,
  plainMode,
  sharedParent,
} from "../host.ts";
import { ALL_CAPABILITIES, capabilitySets } from "../launch/capabilities.ts";
import { belowRoot, type Descriptors, TELL } from "../launch/context.ts";
import { createPlan } from "../launch/create-plan.ts";
import { parseMountOptions } from "../launch/mount-options.ts";
import { isBind } from "../launch/mounts.ts";
import { NAMESPACE_FLAG } from "../launch/namespaces.ts";
import { checkConfig } from "./check.ts";
import { makeLinkTargets } from "./dangling.ts";
import { keepsGroups } from "./extensions.ts";
import { filterOf } from "./filter.ts";
import { withHome } from "./home.ts";
import { runHooks } from "./hooks.ts";
import { writeIdMaps } from "./id-maps.ts";
import type { Listener } from "./listener.ts";
import { mountSource } from "./mount-source.ts";
import { writePidFile } from "./pid-file.ts";
import { pidFirst } from "./pid-first.ts";
import { isAlive, processStat } from "./process-table.ts";
import { giveNetDevices, preparedMounts, rareSettings, rdtGroupsOf, seccompListener } from "./rare.ts";
import type { ContainerState, StateStore } from "./state.ts";
import { stateDocument } from "./status.ts";

export interface LaunchOptions {
  id: string;
  /** Directory of config.json. */
  bundle: string;
  config: Config;
  store: StateStore;
  /** `create`: wait on the start FIFO; `run`: go on at once. */
  waitForStart: boolean;
  /** Go without the cgroups that this user may not make; undefined: decided by who calls. */
  rootless: boolean | undefined;
  noPivot: boolean;
  noNewKeyring: boolean;
  preserveFds: number;
  /** How many of the preserved descriptors are sockets of systemd's activation; the container is told. */
  listenFds: number;
  /** Connected socket that takes the console's master. */
  console: Fd | undefined;
  pidFile: string | undefined;
  /** Print the plan instead of carrying it out. */
  planOnly: boolean;
  warn(message: string): void;
}

export interface Launched {
  state: ContainerState;
  /** Lets the container's program begin (`run`). */
  begin(): void;
}

/** Reads and checks a bundle's config.json. */
export function readBundle(bundle: string): Config {
  const path = `${bundle}/config.json`;
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw new RuntimeError(`JSON specification file config.json not found`);
    throw error;
  }
  return parseConfig(text);
}

/** Launches; undefined after `planOnly`. What fails leaves nothing behind. */
export async function launchContainer(options: LaunchOptions): Promise<Launched | undefined> {
  const { id, store } = options;
  const bundle = realPath(options.bundle);
  const { config } = options;
  checkConfig(config);
  const rootPath = config.root?.path ?? "rootfs";
  const rootfs = resolveRootfs(absolute(bundle, rootPath));
  absoluteSources(config, bundle);
  const cgroups = hostCgroups();
  let cgroupPaths = containerCgroups(cgroups, membership("self"), config.linux?.cgroupsPath, id);
  const nested = inUserNamespace();
  const unprivileged = globalThis.process.geteuid?.() !== 0;
  // Nobody but the machine's root takes things from outside of a user namespace, or makes devices.
  const asUser = nested || unprivileged;
  const rootless =
    options.rootless ?? (unprivileged || (nested && globalThis.process.env["USER"] !== "root"));
  const resources = { ...config.linux?.resources };
  if (rootless) {
    const { usableCgroups } = await import("../rootless.ts");
    cgroupPaths = usableCgroups(cgroupPaths, resources, config.linux?.cgroupsPath);
    // Only root may attach device rules; whoever is not cannot open a device that he could not open outside either.
    resources.devices = undefined;
  }
  const state: ContainerState = {
    id,
    init_process_pid: 0,
    init_process_start: 0,
    created: new Date().toISOString(),
    bundle,
    rootfs,
    ready: false,
    cgroup_paths: cgroupPaths,
    intel_rdt: await rdtGroupsOf(config, id),
    namespace_paths: {},
    no_pivot: options.noPivot,
    keyring: !options.noNewKeyring,
    config,
  };
  const capabilities = hostCapabilities();
  const userNamespace = (config.linux?.namespaces ?? []).some((one) => one.type === "user");
  const process = config.process!;
  process.rlimits = clampRlimits(process.rlimits ?? [], capabilities, options.warn);
  using root = open(rootfs, O_PATH | O_DIRECTORY);
  const prepared = await preparedMounts(config, root);
  const { listener, withListener } = await seccompListener(config, options.planOnly);
  const extra = { listener, mounts: [...prepared.values()] };
  const fds = descriptors(options, extra);
  const hooks = config.hooks ?? {};
  const duringCreate = [hooks.prestart, hooks.createRuntime, hooks.createContainer].some(
    (list) => list?.length,
  );
  const propagation = config.linux?.rootfsPropagation ?? "";
  const plan = createPlan(config, {
    arch,
    id,
    fds,
    rootfs,
    sharedParent: propagation.endsWith("shared") ? sharedParent(rootfs, propagation) : undefined,
    cgroups,
    cgroupPaths,
    sourceKind: mountSource,
    exists: (path) => existsPlainly(root, path),
    modeOf: (path) => plainMode(root, path),
    hostHasKcore: exists("/proc/kcore"),
    oomScoreAdj: oomScore(process, capabilities, options.warn),
    noPivot: options.noPivot,
    keyring: !options.noNewKeyring,
    hooks: duringCreate,
    execLabel: execLabel(process),
    mountLabel: mountLabel(config.linux?.mountLabel),
    capabilities: capabilitySets(
      process.capabilities,
      userNamespace ? ALL_CAPABILITIES & capabilities.known : capabilities.bounding & capabilities.known,
      options.warn,
    ),
    knownCapabilities: capabilities.known,
    ownStdio: foreignStdio(process.user.uid, process.terminal ?? false),
    inUserNamespace: userNamespace,
    keepGroups: keepsGroups(config),
    prepared: [...prepared.keys()],
    outside: userNamespace && !asUser ? (await import("../launch/outside.ts")).takeOutside : undefined,
    hostDevices: asUser,
    mappedByUser:
      unprivileged && (config.linux?.namespaces ?? []).some((one) => one.type === "user" && !one.path),
    filter: await filterOf(config, store.root),
    withListener,
    rare: await rareSettings(config, process),
    env: [...withHome(process.env ?? [], root, process.user.uid), ...listenEnvironment(options.listenFds)],
  });
  if (options.planOnly) {
    print(renderPlan(plan));
    return undefined;
  }
  const claimed = span("runtime", "state", id);
  store.claim(id);
  const failures: Failures = { store, state, running: undefined };
  try {
    store.write(state);
    claimed();
    for (const mount of config.mounts ?? []) {
      const path = belowRoot(mount.destination);
      if (existsPlainly(root, path)) continue;
      const mountOptions = parseMountOptions(mount.options ?? []);
      if (mountOptions.targetLink || mountOptions.copyLink) continue;
      makeLinkTargets(root, path, isBind(mount, mountOptions) ? kindOf(mount.source ?? "") : "directory");
    }
    const cgroup = span("runtime", "cgroups", id);
    createCgroups(cgroups, cgroupPaths, resources);
    const owner = cgroupPaths[""] === undefined ? undefined : cgroupOwner(config, cgroups);
    if (owner !== undefined) giveCgroup(cgroupPaths[""]!, owner);
    if (state.intel_rdt) {
      const { makeRdtGroups } = await import("./intel-rdt.ts");
      makeRdtGroups(config.linux!.intelRdt!, state.intel_rdt);
    }
    cgroup();
    const launch = span("runtime", "launch", id);
    const launched = await follow(options, state, failures, plan, fds, extra);
    launch();
    return launched;
  } catch (error) {
    await undo(failures);
    throw error;
  }
}

const listenEnvironment = (count: number) => (count > 0 ? [`LISTEN_FDS=${count}`, "LISTEN_PID=1"] : []);

interface Failures {
  store: StateStore;
  state: ContainerState;
  running: RunningPlan | undefined;
}

/** Spawns the launcher and answers what it tells, up to the point where only the start is missing. */
async function follow(
  options: LaunchOptions,
  state: ContainerState,
  failures: Failures,
  plan: import("../../../launcher/plan.ts").Plan,
  fds: Descriptors,
  extra: Extra,
): Promise<Launched> {
  const { store, id } = options;
  const { config } = state;
  const go = pipe("go pipe");
  let fifo: Fd | undefined;
  if (options.waitForStart) {
    const path = store.startFifo(id);
    mknodat(-100, path, S_IFIFO | 0o600);
    // Read-write: opening does not wait for a writer, and an empty FIFO blocks the reader instead of ending.
    fifo = open(path, O_RDWR);
  }
  const stdio = inherited(options.preserveFds);
  stdio.push(go.readEnd.number);
  if (fifo) stdio.push(fifo.number);
  if (options.console) stdio.push(options.console.number);
  stdio.push(...(extra.listener?.stdio ?? []), ...extra.mounts.map((mount) => mount.number));
  if (stdio.length !== fds.report) throw new Error("descriptor plan and spawn disagree");
  const running = spawnPlan(plan, { stdio, argv0: "runc:[INIT]" });
  failures.running = running;
  go.readEnd.close();
  fifo?.close();
  options.console?.close();
  for (const mount of extra.mounts) mount.close();
  const allow = () => write(go.writeEnd, new Uint8Array([1]));
  const next = pidFirst(running);
  for (;;) {
    const report = next();
    if (report.kind !== "message") throw await failure(report, state);
    if (report.code === TELL.pid) {
      state.init_process_pid = report.value;
      state.init_process_start = processStat(report.value)?.startTime ?? 0;
      state.namespace_paths = namespacePaths(report.value);
      store.write(state);
      extra.listener?.announce(report.value, state);
      extra.listener?.close();
      await giveNetDevices(config, report.value);
      if (state.intel_rdt) (await import("./intel-rdt.ts")).joinRdtGroups(state.intel_rdt, report.value);
      if (config.linux?.namespaces?.some((one) => one.type === "user" && !one.path)) {
        writeIdMaps(report.value, config.linux);
        allow();
      }
    } else if (report.code === TELL.mounted) {
      const document = stateDocument(state, "creating");
      await runHooks("prestart", config.hooks?.prestart, document);
      await runHooks("createRuntime", config.hooks?.createRuntime, document);
      await runHooks("createContainer", config.hooks?.createContainer, document, state);
      allow();
    } else if (report.code === TELL.ready) {
      state.ready = true;
      store.write(state);
      if (options.pidFile) writePidFile(options.pidFile, state.init_process_pid);
      if (options.waitForStart) allow();
      return {
        state,
        begin: () => {
          if (!options.waitForStart) allow();
          go.writeEnd.close();
          running.close();
        },
      };
    } else throw new Error(`launcher sent an unknown message 0x${report.code.toString(16)}`);
  }
}

/** What few containers hand to the launcher. */
interface Extra {
  listener: Listener | undefined;
  mounts: readonly Fd[];
}

function descriptors(options: LaunchOptions, extra: Extra): Descriptors {
  const go = 3 + options.preserveFds;
  let next = go + 1;
  const start = options.waitForStart ? next++ : -1;
  const console = options.console ? next++ : -1;
  const listener = next;
  const mounts = listener + (extra.listener ? 2 : 0);
  const report = mounts + extra.mounts.length;
  return { preserve: options.preserveFds, go, start, console, listener, mounts, report };
}

function resolveRootfs(path: string): string {
  let real: string;
  try {
    real = realPath(path);
  } catch (error) {
    throw new RuntimeError(`invalid rootfs: ${(error as Error).message}`);
  }
  if (kindOf(real) !== "directory") throw new RuntimeError(`invalid rootfs: ${path} is not a directory`);
  if (real === "/") throw new RuntimeError("invalid rootfs: it must not be the host's root");
  return real;
}

const absolute = (bundle: string, path: string) => (path.startsWith("/") ? path : `${bundle}/${path}`);

/** Bind sources are relative to the bundle, and must be there. */
function absoluteSources(config: Config, bundle: string): void {
  for (const mount of config.mounts ?? []) {
    if (!isBind(mount)) continue;
    const source = mount.source ?? "";
    mount.source = absolute(bundle, source);
    try {
      mountSource(mount.source, parseMountOptions(mount.options ?? []));
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error;
      throw new RuntimeError(
        `error mounting ${JSON.stringify(mount.source)} to rootfs at ${JSON.stringify(mount.destination)}: stat ${mount.source}: no such file or directory`,
      );
    }
  }
}

function namespacePaths(pid: number): Record<string, string> {
  return Object.fromEntries(
    Object.values(NAMESPACE_FLAG).map(({ name, file }) => [
      name.replace("CLONE_", ""),
      `/proc/${pid}/ns/${file}`,
    ]),
  );
}

/** The words for a launcher that stopped. */
async function failure(report: Exclude<Report, { kind: "message" }>, state: ContainerState): Promise<Error> {
  if (report.kind === "failed")
    return new PlanError(report.error.record, report.error.errno, report.error.message);
  const oom = /oom_kill (\d+)/.exec(memoryEvents(state));
  if (oom && oom[1] !== "0") return new Error("container init was OOM-killed (memory limit too low?)");
  return new Error("container init exited prematurely");
}

function memoryEvents(state: ContainerState): string {
  const { cgroup_paths: paths } = state;
  for (const file of [`${paths["memory"]}/memory.oom_control`, `${paths[""]}/memory.events`]) {
    try {
      return readText(file);
    } catch {
      // Not this kind of hierarchy.
    }
  }
  return "";
}

/** Takes everything back: the processes first, since they keep the cgroups busy. */
async function undo({ store, state, running }: Failures): Promise<void> {
  running?.close();
  const pid = state.init_process_pid;
  if (pid > 0 && isAlive(pid, state.init_process_start)) {
    try {
      globalThis.process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  removeCgroups(state.cgroup_paths);
  if (state.intel_rdt) (await import("./intel-rdt.ts")).removeRdtGroups(state.intel_rdt);
  store.remove(state.id);
}
