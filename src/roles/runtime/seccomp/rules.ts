// config.json's rules as decisions by system call number. config-linux.md#seccomp
import type { Seccomp, SeccompArg, SeccompRule } from "../../../spec/oci/runtime.ts";
import type { Architecture } from "./architectures.ts";
import { systemCalls } from "./architectures.ts";

const EPERM = 1;
export const ENOSYS = 38;

const RET = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
} as const;

export const SECCOMP_ACTIONS: readonly string[] = Object.keys(RET).sort();

/** SECCOMP_RET_* with its data. */
export function actionWord(action: string, errnoRet: number | undefined): number {
  const word = RET[action as keyof typeof RET];
  if (word === undefined) throw new Error(`unknown seccomp action ${action}`);
  const carries = action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE";
  if (!carries && errnoRet !== undefined && errnoRet !== 0)
    throw new Error(`seccomp: errnoRet is not allowed with ${action}`);
  return carries ? word | ((errnoRet ?? EPERM) & 0xffff) : word;
}

export const returnErrno = (errno: number) => RET.SCMP_ACT_ERRNO | errno;

/** What happens to one system call: the first conditional rule whose comparisons all hold, else `otherwise`. */
export interface Decision {
  conditional: { args: readonly SeccompArg[]; action: number }[];
  otherwise: number;
}

export interface Decisions {
  byNumber: Map<number, Decision>;
  fallback: number;
  /** Above this number the profile knows nothing: ENOSYS lets libraries fall back, where EPERM would stop them. */
  lastKnown: number | undefined;
}

/** Comparisons of one rule are joined by "and", unless an argument is named twice: then each stands alone, as in runc. */
function alternatives(rule: SeccompRule): (readonly SeccompArg[])[] {
  const args = rule.args ?? [];
  const repeated = new Set(args.map(({ index }) => index)).size < args.length;
  return repeated ? args.map((one) => [one]) : [args];
}

/** Decides for one architecture. Names it does not have are skipped: profiles are written for all of them at once. */
export function decide(seccomp: Seccomp, architecture: Architecture): Decisions {
  const calls = systemCalls(architecture);
  const fallback = actionWord(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const byNumber = new Map<number, Decision>();
  let last = -1;
  for (const rule of seccomp.syscalls ?? []) {
    const action = actionWord(rule.action, rule.errnoRet);
    for (const name of rule.names) {
      const number = calls.get(name);
      if (number === undefined) continue;
      last = Math.max(last, number);
      if (action === fallback) continue;
      let decision = byNumber.get(number);
      if (!decision) {
        decision = { conditional: [], otherwise: fallback };
        byNumber.set(number, decision);
      }
      for (const args of alternatives(rule)) {
        if (args.length === 0) decision.otherwise = action;
        else decision.conditional.push({ args, action });
      }
    }
  }
  const permissive = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(seccomp.defaultAction);
  const alreadyEnosys = seccomp.defaultErrnoRet === ENOSYS;
  return { byNumber, fallback, lastKnown: permissive || alreadyEnosys || last < 0 ? undefined : last };
}
