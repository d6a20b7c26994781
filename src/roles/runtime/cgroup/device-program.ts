// Device access on cgroup v2: the rules as an eBPF program on the container's directory.
// Documentation/admin-guide/cgroup-v2 "Device controller", man 2 bpf, linux/bpf.h
import { ptr } from "bun:ffi";
import { O_DIRECTORY } from "../../../../ffi/constants/fcntl.ts";
import { SyscallError } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import type { DeviceRule } from "../../../spec/oci/runtime.ts";
import { effectiveRules } from "./device-rules.ts";

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;

const TYPE = { b: 1, c: 2 } as const;
const ACCESS = { m: 1, r: 2, w: 4 } as const;
const ALL = 7;

/** struct bpf_insn */
export interface Instruction {
  code: number;
  dst: number;
  src: number;
  off: number;
  imm: number;
}

const at = (code: number, dst: number, src = 0, imm = 0, off = 0): Instruction => ({
  code,
  dst,
  src,
  off,
  imm,
});
/** dst = *(u32 *)(src + off) */
const load = (dst: number, src: number, off: number) => at(0x61, dst, src, 0, off);
const move = (dst: number, imm: number) => at(0xb4, dst, 0, imm);
const copy = (dst: number, src: number) => at(0xbc, dst, src);
const and = (dst: number, imm: number) => at(0x54, dst, 0, imm);
const shiftRight = (dst: number, imm: number) => at(0x74, dst, 0, imm);
const exit = at(0x95, 0);
/** Jumps whose distance is the number of instructions to go over; filled in by `ruleCode`. */
const ifNot = (dst: number, imm: number) => at(0x55, dst, 0, imm);
const ifNotSame = (dst: number, src: number) => at(0x5d, dst, src);
const ifIs = (dst: number, imm: number) => at(0x15, dst, 0, imm);

// r1 is free once the context is read; r2 type, r3 access, r4 major, r5 minor.
const [TEMPORARY, KIND, WANTED, MAJOR, MINOR] = [1, 2, 3, 4, 5] as const;

/** The program: the last rule that fits decides. Pure, for tests. */
export function deviceProgram(rules: readonly DeviceRule[]): Instruction[] {
  const effective = effectiveRules(rules);
  return [
    load(KIND, 1, 0),
    copy(WANTED, KIND),
    and(KIND, 0xffff),
    shiftRight(WANTED, 16),
    load(MAJOR, 1, 4),
    load(MINOR, 1, 8),
    ...effective.rules.toReversed().flatMap(ruleCode),
    move(0, effective.allowAll ? 1 : 0),
    exit,
  ];
}

function ruleCode(rule: DeviceRule): Instruction[] {
  const access = [...(rule.access || "rwm")].reduce((bits, letter) => bits | ACCESS[letter as "r"], 0);
  const tests: Instruction[] = [];
  if (rule.type === "b" || rule.type === "c") tests.push(ifNot(KIND, TYPE[rule.type]));
  if (access !== ALL) {
    tests.push(copy(TEMPORARY, WANTED), and(TEMPORARY, access));
    // An allowance must cover all that is wanted, a denial any part of it.
    tests.push(rule.allow ? ifNotSame(TEMPORARY, WANTED) : ifIs(TEMPORARY, 0));
  }
  if (rule.major !== undefined && rule.major >= 0) tests.push(ifNot(MAJOR, rule.major));
  if (rule.minor !== undefined && rule.minor >= 0) tests.push(ifNot(MINOR, rule.minor));
  const code = [...tests, move(0, rule.allow ? 1 : 0), exit];
  return code.map((instruction, i) =>
    [0x55, 0x5d, 0x15].includes(instruction.code)
      ? { ...instruction, off: code.length - i - 1 }
      : instruction,
  );
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, dst, src, off, imm }, i) => {
    view.setUint8(i * 8, code);
    view.setUint8(i * 8 + 1, dst | (src << 4));
    view.setInt16(i * 8 + 2, off, true);
    view.setInt32(i * 8 + 4, imm, true);
  });
  return bytes;
}

/** Puts the rules in force on a cgroup v2 directory. Throws when the kernel does not take them. */
export function applyDevicesV2(directory: string, rules: readonly DeviceRule[]): void {
  if (rules.length === 0) return;
  const effective = effectiveRules(rules);
  if (effective.allowAll && effective.rules.length === 0) return;
  try {
    const instructions = encode(deviceProgram(rules));
    const license = cstr("Apache-2.0");
    const load = new Uint8Array(128);
    const view = new DataView(load.buffer);
    view.setUint32(0, BPF_PROG_TYPE_CGROUP_DEVICE, true);
    view.setUint32(4, instructions.length / 8, true);
    view.setBigUint64(8, BigInt(ptr(instructions)), true);
    view.setBigUint64(16, BigInt(ptr(license)), true);
    using program = new Fd(syscall("bpf", directory, BPF_PROG_LOAD, load, load.length), "device program");
    using cgroup = open(directory, O_DIRECTORY);
    const attach = new Uint8Array(128);
    new Uint32Array(attach.buffer).set([cgroup.number, program.number, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI]);
    syscall("bpf", directory, BPF_PROG_ATTACH, attach, attach.length);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new Error(`unable to set device rules on ${directory}: ${error.message}`, { cause: error });
  }
}
