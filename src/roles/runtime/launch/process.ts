// The last stretch that init and exec share: from a set-up place in the container to the user's program.
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from "../../../../ffi/constants/fcntl.ts";
import { CLOSE_RANGE_CLOEXEC } from "../../../../ffi/constants/sched.ts";
import { bits, Constant } from "../../../launcher/plan.ts";
import type { Process } from "../../../spec/oci/runtime.ts";
import type { Filter } from "../seccomp/compile.ts";
import type { CapabilitySets } from "./capabilities.ts";
import { type Context, openInRoot } from "./context.ts";
import { addIdentity, addNoNewPrivileges, addRlimits, finishCapabilities } from "./identity.ts";
import { findProgram, type Program } from "./program.ts";
import { addSeccomp } from "./seccomp.ts";
import type { withListener } from "./seccomp-listener.ts";

const NULL = bits({ O_RDWR, O_NOCTTY, O_NONBLOCK });

/** Adds what few processes ask for. */
export type RareSettings = (context: Context) => void;

export interface ProcessFacts {
  capabilities: CapabilitySets;
  knownCapabilities: bigint;
  ownStdio: readonly number[];
  /** Descriptors 0–2 that are the host's null device. */
  nullStdio: readonly number[];
  inUserNamespace: boolean;
  keepGroups: boolean;
  filter: Filter | undefined;
  /** Sends the filter's listener to its agent; undefined when it has none. */
  withListener: typeof withListener | undefined;
  /** undefined: nothing rare is asked for. */
  rare: RareSettings | undefined;
  /** Environment with HOME filled in. */
  env: readonly string[];
}

/** Closes everything that is open but stdio, the preserved descriptors and the talk with the parent. */
export function closeOthers({ plan, fds }: Context): void {
  plan.call("close_range", [fds.report + 1, new Constant(0xffffffff, "~0"), 0], {
    why: "closing descriptors",
  });
}

/** Marks what lies above the preserved descriptors to vanish at execve, whoever left it open. */
export function closeOnExec({ plan, fds }: Context): void {
  plan.call(
    "close_range",
    [3 + fds.preserve, new Constant(0xffffffff, "~0"), bits({ CLOSE_RANGE_CLOEXEC })],
    {
      why: "marking descriptors close-on-exec",
    },
  );
}

/**
 * The container's own null device in place of the host's: by such a descriptor root in the container could change the mode
 * or the owner of the host's. A container without one keeps what it was given.
 */
function replaceNull(context: Context, descriptors: readonly number[]): void {
  const { plan } = context;
  const own = plan.slot("null device");
  const kept = plan.label("the host's null device stays");
  // Non-blocking: by the time of an exec it may be a FIFO.
  openInRoot(context, "dev/null", NULL, { into: own, tolerate: "any", fail: kept });
  for (const fd of descriptors) plan.call("dup3", [own, fd, 0]);
  plan.call("close", [own]);
  plan.place(kept);
}

/** Limits, identity, program lookup. Returns the slot that holds the program's path. */
export function addProcess(context: Context, process: Process, facts: ProcessFacts): Program {
  const { plan } = context;
  const args = process.args ?? [];
  if (facts.nullStdio.length > 0) replaceNull(context, facts.nullStdio);
  facts.rare?.(context);
  // In a user namespace limits were set before it was entered, with the privilege to raise them.
  if (!facts.inUserNamespace) addRlimits(context, process.rlimits ?? []);
  if (process.noNewPrivileges) addNoNewPrivileges(context);
  addIdentity(context, {
    user: process.user,
    capabilities: facts.capabilities,
    knownCapabilities: facts.knownCapabilities,
    cwd: process.cwd,
    ownStdio: facts.ownStdio,
    keepGroups: facts.keepGroups,
    groupsMayBeDenied: facts.inUserNamespace,
    keepAdmin: facts.filter !== undefined && !process.noNewPrivileges,
  });
  plan.call("umask", [
    new Constant(process.user.umask ?? 0o022, `0${(process.user.umask ?? 0o022).toString(8)}`),
  ]);
  const path = facts.env.findLast((entry) => entry.startsWith("PATH="))?.slice(5);
  return findProgram(context, args[0] ?? "", path);
}

/**
 * The filter comes last, so that it need not allow anything of the set-up. Without no_new_privs only CAP_SYS_ADMIN may load
 * one: then a single capset follows, as in runc.
 */
export function addLateSeccomp(context: Context, process: Process, facts: ProcessFacts): void {
  const { filter } = facts;
  if (!filter) return;
  if (facts.withListener) facts.withListener(context, (listener) => addSeccomp(context, filter, listener));
  else addSeccomp(context, filter);
  if (!process.noNewPrivileges) finishCapabilities(context, facts.capabilities);
}
