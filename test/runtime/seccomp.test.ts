// The seccomp compiler against a plain reading of the profile, by simulating its output.
import { describe, expect, test } from "bun:test";
import { ARCHITECTURES, systemCalls, X32_BIT } from "../../src/roles/runtime/seccomp/architectures.ts";
import { compileFilter, program } from "../../src/roles/runtime/seccomp/compile.ts";
import type { Seccomp, SeccompArg } from "../../src/spec/oci/runtime.ts";
import { simulate } from "./bpf.ts";

const X64 = 0xc000003e;
const I386 = 0x40000003;
const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const KILL = 0;
const x64 = systemCalls(ARCHITECTURES["SCMP_ARCH_X86_64"]!);
const nr = (name: string) => {
  const number = x64.get(name);
  if (number === undefined) throw new Error(name);
  return number;
};

const profile = (syscalls: Seccomp["syscalls"], more: Partial<Seccomp> = {}): Seccomp => ({
  defaultAction: "SCMP_ACT_ERRNO",
  architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  syscalls,
  ...more,
});
const allow = (...names: string[]) => ({ names, action: "SCMP_ACT_ALLOW" });
const decide = (seccomp: Seccomp, name: string, args: bigint[] = []) =>
  simulate(program(seccomp, "x64"), { nr: nr(name), arch: X64, args }).action;

test("system call tables know the well-known numbers", () => {
  expect(nr("read")).toBe(0);
  expect(nr("execve")).toBe(59);
  expect(nr("clone3")).toBe(435);
  expect(systemCalls(ARCHITECTURES["SCMP_ARCH_X86"]!).get("execve")).toBe(11);
  expect(systemCalls(ARCHITECTURES["SCMP_ARCH_X32"]!).get("execve")).toBe(520);
  expect(systemCalls(ARCHITECTURES["SCMP_ARCH_AARCH64"]!).get("execve")).toBe(221);
  expect(systemCalls(ARCHITECTURES["SCMP_ARCH_ARM"]!).get("cacheflush")).toBe(0xf0002);
  for (const { runs } of Object.values(ARCHITECTURES))
    expect(systemCalls({ audit: 0, runs }).size).toBe(runs.flatMap(([, names]) => names.split(" ")).length);
});

describe("a list of allowed calls", () => {
  const seccomp = profile([allow("read", "write", "exit_group", "statx"), allow("no_such_call")]);

  test("every number gets what the profile says, and newer ones ENOSYS", () => {
    const code = program(seccomp, "x64");
    const allowed = new Set(["read", "write", "exit_group", "statx"].map(nr));
    for (let number = 0; number < 600; number++) {
      const expected = allowed.has(number) ? ALLOW : number > nr("statx") ? ENOSYS : EPERM;
      expect(simulate(code, { nr: number, arch: X64 }).action).toBe(expected);
    }
  });

  test("each architecture has its own numbers; unlisted ones are killed", () => {
    const code = program(seccomp, "x64");
    expect(simulate(code, { nr: 3, arch: I386 }).action).toBe(ALLOW); // read
    expect(simulate(code, { nr: 0, arch: I386 }).action).toBe(EPERM);
    expect(simulate(code, { nr: X32_BIT | 0, arch: X64 }).action).toBe(ALLOW);
    expect(simulate(code, { nr: X32_BIT | 2, arch: X64 }).action).toBe(EPERM);
    expect(simulate(code, { nr: 0, arch: 0xc00000b7 }).action).toBe(KILL);
    const narrow = program(profile([allow("read")], { architectures: ["SCMP_ARCH_X86_64"] }), "x64");
    expect(simulate(narrow, { nr: 3, arch: I386 }).action).toBe(KILL);
    expect(simulate(narrow, { nr: X32_BIT | 0, arch: X64 }).action).toBe(KILL);
  });

  test("arm64 is a filter of its own", () => {
    const code = program(
      profile([allow("openat")], { architectures: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"] }),
      "arm64",
    );
    expect(simulate(code, { nr: 56, arch: 0xc00000b7 }).action).toBe(ALLOW);
    expect(simulate(code, { nr: 322, arch: 0x40000028 }).action).toBe(ALLOW);
    expect(simulate(code, { nr: 55, arch: 0xc00000b7 }).action).toBe(EPERM);
  });
});

test("a permissive default leaves newer calls alone", () => {
  const seccomp = profile([{ names: ["reboot"], action: "SCMP_ACT_ERRNO" }], {
    defaultAction: "SCMP_ACT_ALLOW",
  });
  expect(decide(seccomp, "reboot")).toBe(EPERM);
  expect(simulate(program(seccomp, "x64"), { nr: 9999, arch: X64 }).action).toBe(ALLOW);
});

test("actions and their data", () => {
  const seccomp = profile([
    { names: ["ptrace"], action: "SCMP_ACT_KILL_PROCESS" },
    { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 95 },
    { names: ["chroot"], action: "SCMP_ACT_TRAP" },
    { names: ["swapon"], action: "SCMP_ACT_LOG" },
    { names: ["swapoff"], action: "SCMP_ACT_TRACE", errnoRet: 7 },
    { names: ["acct"], action: "SCMP_ACT_KILL" },
  ]);
  expect(decide(seccomp, "ptrace")).toBe(0x80000000);
  expect(decide(seccomp, "mount")).toBe(0x0005005f);
  expect(decide(seccomp, "chroot")).toBe(0x00030000);
  expect(decide(seccomp, "swapon")).toBe(0x7ffc0000);
  expect(decide(seccomp, "swapoff")).toBe(0x7ff00007);
  expect(decide(seccomp, "acct")).toBe(KILL);
});

describe("comparisons of 64-bit arguments", () => {
  const BIG = 0x1_0000_0005n;
  const values = [
    0n,
    4n,
    5n,
    6n,
    BIG - 1n,
    BIG,
    BIG + 1n,
    0x2_0000_0000n,
    0xffff_ffff_ffff_ffffn,
    0x5_0000_0000n,
  ];
  const holds: Record<string, (a: bigint, v: bigint, two: bigint) => boolean> = {
    SCMP_CMP_EQ: (a, v) => a === v,
    SCMP_CMP_NE: (a, v) => a !== v,
    SCMP_CMP_LT: (a, v) => a < v,
    SCMP_CMP_LE: (a, v) => a <= v,
    SCMP_CMP_GT: (a, v) => a > v,
    SCMP_CMP_GE: (a, v) => a >= v,
    SCMP_CMP_MASKED_EQ: (a, v, two) => (a & v) === two,
  };
  test.each(Object.keys(holds))("%s", (op) => {
    for (const value of [5n, BIG, 0x2_0000_0000n]) {
      const arg: SeccompArg = {
        index: 2,
        op,
        value: Number(value),
        valueTwo: op === "SCMP_CMP_MASKED_EQ" ? Number(value & 4n) : 0,
      };
      const code = program(profile([{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", args: [arg] }]), "x64");
      for (const actual of values) {
        const expected = holds[op]!(actual, value, BigInt(arg.valueTwo ?? 0)) ? ALLOW : EPERM;
        expect(simulate(code, { nr: nr("ioctl"), arch: X64, args: [0n, 0n, actual] }).action).toBe(expected);
      }
    }
  });

  test("several arguments of one rule are joined by and, several rules by or", () => {
    const eq = (index: number, value: number): SeccompArg => ({ index, value, op: "SCMP_CMP_EQ" });
    const seccomp = profile([
      { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [eq(0, 1), eq(1, 2)] },
      { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [eq(0, 16)] },
    ]);
    expect(decide(seccomp, "socket", [1n, 2n])).toBe(ALLOW);
    expect(decide(seccomp, "socket", [1n, 3n])).toBe(EPERM);
    expect(decide(seccomp, "socket", [16n, 9n])).toBe(ALLOW);
    expect(decide(seccomp, "socket", [2n, 2n])).toBe(EPERM);
  });

  test("the same argument twice means either", () => {
    const eq = (value: number): SeccompArg => ({ index: 0, value, op: "SCMP_CMP_EQ" });
    const seccomp = profile([{ names: ["personality"], action: "SCMP_ACT_ALLOW", args: [eq(0), eq(8)] }]);
    expect(decide(seccomp, "personality", [0n])).toBe(ALLOW);
    expect(decide(seccomp, "personality", [8n])).toBe(ALLOW);
    expect(decide(seccomp, "personality", [9n])).toBe(EPERM);
  });
});

test("a profile as wide as an engine's default stays shallow", () => {
  const names = [...x64.keys()].filter((_, i) => i % 7 !== 3);
  const conditional = [0, 8, 0x20000, 0x20008, 0xffffffff].map((value) => ({
    names: ["personality"],
    action: "SCMP_ACT_ALLOW",
    args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
  }));
  const seccomp = profile([allow(...names.filter((name) => name !== "personality")), ...conditional]);
  const code = program(seccomp, "x64");
  let deepest = 0;
  for (let number = 0; number < 512; number++)
    deepest = Math.max(deepest, simulate(code, { nr: number, arch: X64 }).steps);
  expect(deepest).toBeLessThan(40);
  expect(code.length).toBeLessThan(1500);
});

test("what cannot be done is refused by name", () => {
  expect(() => compileFilter(profile([{ names: ["mount"], action: "SCMP_ACT_NOTIFY" }]), "x64")).toThrow(
    "SCMP_ACT_NOTIFY",
  );
  expect(() => compileFilter(profile([], { flags: ["SECCOMP_FILTER_FLAG_ODD"] }), "x64")).toThrow("FLAG_ODD");
  // It only means something to a listener, beside which TSYNC cannot be.
  const waiting = { flags: ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] };
  expect(compileFilter(profile([], waiting), "x64").flags).toBe(1);
  expect(compileFilter(profile([], { ...waiting, listenerPath: "/x" }), "x64").flags).toBe(8 | 32);
  expect(() =>
    compileFilter(profile([{ names: ["mount"], action: "SCMP_ACT_ALLOW", errnoRet: 3 }]), "x64"),
  ).toThrow("errnoRet");
  expect(
    compileFilter(profile([], { flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"] }), "x64")
      .flags,
  ).toBe(3);
});
