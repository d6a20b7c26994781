// create and run: config.json becomes cgroups, a plan, a launcher, and a container that waits for its start.

import { arch } from "../../../../ffi/arch/index.ts";
import { O_DIRECTORY, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { print } from "../../../../ffi/output.ts";
import { exists, kindOf, readText, realPath } from "../../../../ffi/path.ts";
import { memfd } from "../../../launcher/memfd.ts";
import { renderPlan } from "../../../launcher/render.ts";
import { span } from "../../../observe/trace.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import { parseConfig } from "../../../spec/oci/runtime-validate.ts";
import { createCgroups } from "../cgroup/container.ts";
import { hostCgroups, membershipText, parseMembership } from "../cgroup/hierarchy.ts";
import { cgroupOwner, giveCgroup } from "../cgroup/ownership.ts";
import { containerCgroups } from "../cgroup/paths.ts";
import { RuntimeError } from "../errors.ts";
import {
  clampRlimits,
  execLabel,
  existsPlainly,
  foreignStdio,
  type HostCapabilities,
  hostCapabilities,
  inUserNamespace,
  mountLabel,
  nullStdio,
  oomScore,
  plainMode,
  sharedParent,
} from "../host.ts";
import { ALL_CAPABILITIES, capabilitySets } from "../launch/capabilities.ts";
import { belowRoot } from "../launch/context.ts";
import {
  addRoot,
  type BegunPlan,
  beginPlan,
  type CloneFacts,
  finishPlan,
  type RootFacts,
} from "../launch/create-plan.ts";
import { parseMountOptions } from "../launch/mount-options.ts";
import { isBind } from "../launch/mounts.ts";
import type { ProcessFacts } from "../launch/process.ts";
import { checkConfig } from "./check.ts";
import { makeLinkTargets } from "./dangling.ts";
import { keepsGroups } from "./extensions.ts";
import { filterOf } from "./filter.ts";
import type { Stdio } from "./given.ts";
import { withHome } from "./home.ts";
import { descriptors, type Extra, type Failures, follow, type PlanMaking, undo } from "./launcher-talk.ts";
import { absoluteSources, mountSource } from "./mount-source.ts";
import type { Notify } from "./notify.ts";
import { preparedMounts, rareSettings, rdtGroupsOf, seccompListener } from "./rare.ts";
import { type ContainerState, newState, type StateStore } from "./state.ts";

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
  /** Become a scope of systemd. */
  systemd: boolean;
  /** Processes of their own start it and delete it: leave them what the plain cases need (plain.ts). */
  plain?: boolean;
  /** Takes the container's word that it is ready. */
  notify?: Notify | undefined;
  noPivot: boolean;
  noNewKeyring: boolean;
  preserveFds: number;
  /** Its streams, where they are not this process's own. */
  stdio?: Stdio;
  /** How many of the preserved descriptors are sockets of systemd's activation; the container is told. */
  listenFds: number;
  /** Connected socket that takes the console's master. */
  console: Fd | undefined;
  pidFile: string | undefined;
  /** Print the plan instead of carrying it out. */
  planOnly: boolean;
  /** Called as soon as the first process exists, while the launcher goes on: who wants to follow it is ready by its start. */
  born?(pid: number): void;
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
  options.notify?.addTo(config);
  const own = membershipText("self");
  const cgroups = hostCgroups(own);
  const nested = inUserNamespace();
  const unprivileged = globalThis.process.geteuid?.() !== 0;
  // Nobody but the machine's root takes things from outside of a user namespace, or makes devices.
  const asUser = nested || unprivileged;
  const rootless =
    options.rootless ?? (unprivileged || (nested && globalThis.process.env["USER"] !== "root"));
  const resources = { ...config.linux?.resources };
  const scope = options.systemd
    ? (await import("../systemd/scope.ts")).planScope(config, id, cgroups, asUser)
    : undefined;
  let cgroupPaths =
    scope?.paths ?? containerCgroups(cgroups, parseMembership(own), config.linux?.cgroupsPath, id);
  if (rootless) {
    const { usableCgroups } = await import("../rootless.ts");
    cgroupPaths = usableCgroups(cgroupPaths, resources, scope?.unit.name ?? config.linux?.cgroupsPath);
    // Only root may attach device rules; whoever is not cannot open a device that he could not open outside either.
    resources.devices = undefined;
  }
  const state = newState({
    id,
    bundle,
    rootfs,
    cgroup_paths: cgroupPaths,
    intel_rdt: await rdtGroupsOf(config, id),
    systemd_unit: scope?.unit,
    no_pivot: options.noPivot,
    keyring: !options.noNewKeyring,
    config,
  });
  const capabilities = hostCapabilities();
  const userNamespace = (config.linux?.namespaces ?? []).some((one) => one.type === "user");
  const process = config.process!;
  process.rlimits = clampRlimits(process.rlimits ?? [], capabilities, options.warn);
  using root = open(rootfs, O_PATH | O_DIRECTORY);
  const prepared = await preparedMounts(config, root);
  const { listener, withListener } = await seccompListener(config, options.planOnly);
  using rest = mayBeCut(config) && !options.planOnly ? memfd("rest of the plan") : undefined;
  const extra: Extra = { listener, mounts: [...prepared.values()], rest };
  const fds = descriptors(options, extra);
  const early: CloneFacts = {
    arch,
    id,
    fds,
    rootfs,
    cgroups,
    cgroupPaths,
    sourceKind: (path, mountOptions) =>
      options.notify?.isSource(path)
        ? { kind: "directory", link: undefined } // made below
        : mountSource(path, mountOptions),
    exists: (path) => existsPlainly(root, path),
    modeOf: (path) => plainMode(root, path),
    oomScoreAdj: oomScore(process, capabilities, options.warn),
    inUserNamespace: userNamespace,
    prepared: [...prepared.keys()],
    outside: userNamespace && !asUser ? (await import("../launch/outside.ts")).takeOutside : undefined,
    mappedByUser:
      unprivileged && (config.linux?.namespaces ?? []).some((one) => one.type === "user" && !one.path),
    mountLabel: mountLabel(config.linux?.mountLabel),
  };
  const begun = beginPlan(config, early);
  const making = planMaking(options, begun, early, { root, capabilities, asUser, withListener });
  if (!extra.rest) {
    making.root();
    await making.process();
  }
  if (options.planOnly) {
    print(renderPlan(begun.plan));
    return undefined;
  }
  const claimed = span("runtime", "state", id);
  store.claim(id);
  const failures: Failures = { store, state, running: undefined, go: undefined };
  try {
    store.write(state);
    options.notify?.make();
    claimed();
    for (const mount of config.mounts ?? []) {
      const path = belowRoot(mount.destination);
      if (existsPlainly(root, path)) continue;
      const mountOptions = parseMountOptions(mount.options ?? []);
      if (mountOptions.targetLink || mountOptions.copyLink) continue;
      makeLinkTargets(root, path, isBind(mount, mountOptions) ? kindOf(mount.source ?? "") : "directory");
    }
    const cgroup = span("runtime", "cgroups", id);
    using holder = scope?.start(resources);
    createCgroups(cgroups, cgroupPaths, resources, holder !== undefined);
    const owner = cgroupPaths[""] === undefined ? undefined : cgroupOwner(config, cgroups);
    if (owner !== undefined) giveCgroup(cgroupPaths[""]!, owner);
    if (state.intel_rdt) {
      const { makeRdtGroups } = await import("./intel-rdt.ts");
      makeRdtGroups(config.linux!.intelRdt!, state.intel_rdt);
    }
    cgroup();
    const launch = span("runtime", "launch", id);
    const launched = await follow(options, state, failures, { ...begun, ...making }, extra);
    launch();
    return launched;
  } catch (error) {
    await undo(failures);
    throw error;
  }
}

/** Host facts of which the later parts of the plan are made. */
interface Found {
  root: Fd;
  capabilities: HostCapabilities;
  asUser: boolean;
  withListener: ProcessFacts["withListener"];
}

const listenEnvironment = (count: number) => (count > 0 ? [`LISTEN_FDS=${count}`, "LISTEN_PID=1"] : []);

/** The parts of the plan behind its beginning, and what they need to know: read when they are made, beside a launcher that runs. */
function planMaking(options: LaunchOptions, begun: BegunPlan, early: CloneFacts, found: Found): PlanMaking {
  const { config, store } = options;
  const { root, capabilities, asUser } = found;
  const process = config.process!;
  const hooks = config.hooks ?? {};
  const propagation = config.linux?.rootfsPropagation ?? "";
  const rootFacts = (): RootFacts => ({
    ...early,
    // These make every mount their own by themselves.
    sharedParent: /^(rslave|rprivate|runbindable)?$/.test(propagation)
      ? undefined
      : sharedParent(early.rootfs, propagation),
    hostHasKcore: exists("/proc/kcore"),
    noPivot: options.noPivot,
    keyring: !options.noNewKeyring,
    keepGroups: keepsGroups(config),
    hooks: [hooks.prestart, hooks.createRuntime, hooks.createContainer].some((list) => list?.length),
    hostDevices: asUser,
    execLabel: execLabel(process),
  });
  let known: RootFacts;
  return {
    root() {
      known = rootFacts();
      return addRoot(begun, config, known);
    },
    async process() {
      const permitted = early.inUserNamespace ? ALL_CAPABILITIES : capabilities.bounding;
      finishPlan(begun, config, {
        ...known,
        capabilities: capabilitySets(process.capabilities, permitted & capabilities.known, options.warn),
        knownCapabilities: capabilities.known,
        ownStdio: foreignStdio(process.user.uid, process.terminal ?? false, options.stdio),
        nullStdio: nullStdio(process.terminal ?? false, options.stdio),
        filter: await filterOf(config, store.root),
        withListener: found.withListener,
        rare: await rareSettings(config, process),
        env: [
          ...withHome(process.env ?? [], root, process.user.uid),
          ...listenEnvironment(options.listenFds),
        ],
      });
    },
  };
}

/** Where less than this is allowed to a container, its memory shall not pay for reading the rest of its plan. */
const ROOM_FOR_THE_REST = 16 << 20;
/** Arguments and environment of more than this want a pool of their own size. */
const MUCH_TEXT = 1 << 20;

/** Whether the launcher may start before its plan is whole. */
function mayBeCut(config: Config): boolean {
  const limit = config.linux?.resources?.memory?.limit ?? -1;
  if (limit > 0 && limit < ROOM_FOR_THE_REST) return false;
  const { args = [], env = [] } = config.process!;
  let size = 0;
  for (const text of args) size += text.length;
  for (const text of env) size += text.length;
  return size < MUCH_TEXT;
}

/** The real path of a root file system. Throws RuntimeError for what cannot be one. */
export function resolveRootfs(path: string): string {
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

/** A path of config.json that may be relative to the bundle. */
export const absolute = (bundle: string, path: string) => (path.startsWith("/") ? path : `${bundle}/${path}`);
