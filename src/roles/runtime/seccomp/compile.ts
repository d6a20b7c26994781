// The filter: architecture, then a balanced binary search over ranges of numbers that share a fate, then arguments.
// A call costs a few dozen steps at the most, where a list costs hundreds.
import type { Arch } from "../../../../ffi/arch/index.ts";
import type { Seccomp, SeccompArg } from "../../../spec/oci/runtime.ts";
import { ARCHITECTURES, NATIVE, X32_BIT } from "./architectures.ts";
import { and, branch, Code, DATA, encode, type Instruction, JEQ, JGE, JGT, load, ret } from "./bpf.ts";
import { type Decision, type Decisions, decide, ENOSYS, returnErrno, SECCOMP_ACTIONS } from "./rules.ts";

export { SECCOMP_ACTIONS };

/** A filter ready for the kernel. */
export interface Filter {
  /** struct sock_filter[] */
  bytes: Uint8Array;
  /** SECCOMP_FILTER_FLAG_* */
  flags: number;
}

// linux/seccomp.h
const TSYNC = 1;
const NEW_LISTENER = 8;
const WAIT_KILLABLE_RECV = 32;

const FLAG: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: TSYNC,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: WAIT_KILLABLE_RECV,
};
export const SECCOMP_FLAGS = Object.keys(FLAG);
export const SECCOMP_OPERATORS = [
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_LE",
  "SCMP_CMP_LT",
  "SCMP_CMP_MASKED_EQ",
  "SCMP_CMP_NE",
];
export const supportedArchitectures = () => Object.keys(ARCHITECTURES).sort();

/** A call of an architecture that the profile does not list ends the thread, as libseccomp's default has it. */
const BAD_ARCHITECTURE = 0;

/** Compiles linux.seccomp for this machine. Throws on what cannot be filtered. */
export function compileFilter(seccomp: Seccomp, arch: Arch): Filter {
  if (seccomp.defaultAction === "SCMP_ACT_NOTIFY")
    throw new Error(
      "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would stop every call, the agent's answer to the first among them",
    );
  const notify = (seccomp.syscalls ?? []).some(({ action }) => action === "SCMP_ACT_NOTIFY");
  if (notify && !seccomp.listenerPath) throw new Error("linux.seccomp: SCMP_ACT_NOTIFY needs a listenerPath");
  let flags = seccomp.listenerPath ? NEW_LISTENER : 0;
  for (const name of seccomp.flags ?? []) {
    const flag = FLAG[name];
    if (flag === undefined) throw new Error(`linux.seccomp.flags: ${name} is not supported by this runtime`);
    flags |= flag;
  }
  // The launcher is one thread: there is nothing to synchronise, and the kernel refuses it beside a listener.
  if (flags & NEW_LISTENER) flags &= ~TSYNC;
  // It is about waiting for a listener.
  else flags &= ~WAIT_KILLABLE_RECV;
  return { bytes: encode(program(seccomp, arch)), flags };
}

/** The instructions. Pure, for the simulator of the tests. */
export function program(seccomp: Seccomp, arch: Arch): Instruction[] {
  const names = new Set([NATIVE[arch], ...(seccomp.architectures ?? [])]);
  // An architecture without a table here gets no section: its calls end the thread, which errs on the safe side.
  const known = [...names].filter((name) => ARCHITECTURES[name]);
  let code: Instruction[] = [ret(BAD_ARCHITECTURE)];
  for (const name of known.filter((one) => one !== "SCMP_ARCH_X32").reverse()) {
    const architecture = ARCHITECTURES[name]!;
    let section = tree(ranges(decide(seccomp, architecture)));
    if (name === "SCMP_ARCH_X86_64") {
      const x32 = names.has("SCMP_ARCH_X32")
        ? [and(~X32_BIT), ...tree(ranges(decide(seccomp, ARCHITECTURES["SCMP_ARCH_X32"]!)))]
        : [ret(BAD_ARCHITECTURE)];
      section = branch(JGE, X32_BIT, x32, section);
    }
    code = branch(JEQ, architecture.audit, [load(DATA.nr), ...section], code);
  }
  return [load(DATA.arch), ...code];
}

interface Range {
  first: number;
  code: Instruction[];
}

function ranges({ byNumber, fallback, lastKnown }: Decisions): Range[] {
  const out: Range[] = [];
  const add = (first: number, code: Instruction[]) => {
    const last = out.at(-1);
    // Neighbours of the same fate are one range.
    if (last && last.code.length === 1 && code.length === 1 && last.code[0]!.k === code[0]!.k) return;
    out.push({ first, code });
  };
  let next = 0;
  for (const number of [...byNumber.keys()].sort((a, b) => a - b)) {
    if (number > next) add(next, [ret(fallback)]);
    add(number, leaf(byNumber.get(number)!));
    next = number + 1;
  }
  if (lastKnown === undefined) add(next, [ret(fallback)]);
  else {
    if (lastKnown >= next) add(next, [ret(fallback)]);
    add(lastKnown + 1, [ret(returnErrno(ENOSYS))]);
  }
  return out;
}

/** Balanced binary search; the number is in the accumulator. */
function tree(list: readonly Range[]): Instruction[] {
  if (list.length === 1) return list[0]!.code;
  const middle = list.length >> 1;
  return branch(JGE, list[middle]!.first, tree(list.slice(middle)), tree(list.slice(0, middle)));
}

/** One system call's code: conditional rules in order, then the rest. */
function leaf({ conditional, otherwise }: Decision): Instruction[] {
  const code = new Code();
  conditional.forEach(({ args, action }, i) => {
    const miss = `after rule ${i}`;
    args.forEach((arg, j) => {
      compare(code, arg, `rule ${i} argument ${j} holds`, miss);
    });
    code.emit(ret(action)).place(miss);
  });
  return code.emit(ret(otherwise)).finish();
}

const halves = (value: number): [low: number, high: number] => {
  // JSON numbers beyond 2^53 are rounded; what was all ones comes as 2^64.
  const exact = value >= 2 ** 64 ? 0xffffffffffffffffn : BigInt(value);
  return [Number(exact & 0xffffffffn), Number(exact >> 32n)];
};

/** A 64-bit comparison in 32-bit halves: goes on behind itself when it holds (the label `hit`), to `miss` when not. */
function compare(
  code: Code,
  { index, op, value, valueTwo = 0 }: SeccompArg,
  hit: string,
  miss: string,
): void {
  const [low, high] = halves(value);
  const loadLow = load(DATA.low(index));
  const loadHigh = load(DATA.high(index));
  const ordered = (lowTest: typeof JGT | typeof JGE, yes: string, no: string) =>
    code
      .emit(loadHigh)
      .test(JGT, high, { yes })
      .test(JEQ, high, { no })
      .emit(loadLow)
      .test(lowTest, low, { yes, no });
  switch (op) {
    case "SCMP_CMP_EQ":
      code.emit(loadHigh).test(JEQ, high, { no: miss }).emit(loadLow).test(JEQ, low, { no: miss });
      break;
    case "SCMP_CMP_NE":
      code.emit(loadHigh).test(JEQ, high, { no: hit }).emit(loadLow).test(JEQ, low, { yes: miss });
      break;
    case "SCMP_CMP_GT":
      ordered(JGT, hit, miss);
      break;
    case "SCMP_CMP_GE":
      ordered(JGE, hit, miss);
      break;
    case "SCMP_CMP_LT":
      ordered(JGE, miss, hit);
      break;
    case "SCMP_CMP_LE":
      ordered(JGT, miss, hit);
      break;
    case "SCMP_CMP_MASKED_EQ": {
      // value is the mask, valueTwo what must be left.
      const [wantedLow, wantedHigh] = halves(valueTwo);
      code.emit(loadHigh, and(high)).test(JEQ, wantedHigh, { no: miss });
      code.emit(loadLow, and(low)).test(JEQ, wantedLow, { no: miss });
      break;
    }
    default:
      throw new Error(`unknown seccomp operator ${op}`);
  }
  code.place(hit);
}
