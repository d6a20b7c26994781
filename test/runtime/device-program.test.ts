// Device rules on cgroup v2: the program's decisions, and (as root) the kernel's with it attached.
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import {
  applyDevicesV2,
  deviceProgram,
  type Instruction,
} from "../../src/roles/runtime/cgroup/device-program.ts";
import type { DeviceRule } from "../../src/spec/oci/runtime.ts";

/** Runs the few instructions the program is made of. */
function decide(
  program: readonly Instruction[],
  type: "b" | "c",
  access: string,
  major: number,
  minor: number,
): boolean {
  const bits = [...access].reduce((all, letter) => all | { m: 1, r: 2, w: 4 }[letter as "m"], 0);
  const context = [(bits << 16) | { b: 1, c: 2 }[type], major, minor];
  const r = new Int32Array(11);
  for (let pc = 0; ; pc++) {
    const { code, dst, src, off, imm } = program[pc]!;
    if (code === 0x61) r[dst] = context[off / 4]!;
    else if (code === 0xb4) r[dst] = imm;
    else if (code === 0xbc) r[dst] = r[src]!;
    else if (code === 0x54) r[dst]! &= imm;
    else if (code === 0x74) r[dst]! >>>= imm;
    else if (code === 0x55) pc += r[dst] !== imm ? off : 0;
    else if (code === 0x5d) pc += r[dst] !== r[src] ? off : 0;
    else if (code === 0x15) pc += r[dst] === imm ? off : 0;
    else if (code === 0x95) return r[0] === 1;
    else throw new Error(`instruction ${code}`);
  }
}

const rules: DeviceRule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
  { allow: true, type: "b", major: 8, access: "r" },
];

test("the last rule that fits decides", () => {
  const program = deviceProgram(rules);
  expect(decide(program, "c", "rw", 10, 229)).toBe(true);
  expect(decide(program, "c", "r", 10, 229)).toBe(true);
  expect(decide(program, "c", "rw", 10, 230)).toBe(false);
  expect(decide(program, "b", "r", 8, 17)).toBe(true);
  expect(decide(program, "b", "rw", 8, 17)).toBe(false);
  expect(decide(program, "c", "r", 8, 17)).toBe(false);
  expect(decide(program, "c", "rwm", 1, 3)).toBe(true); // null is always allowed
  expect(decide(program, "c", "m", 99, 1)).toBe(true); // and so is making nodes
  expect(decide(program, "c", "r", 1, 1)).toBe(false);
  const denied = deviceProgram([
    { allow: true, access: "rwm" },
    { allow: false, type: "c", major: 1, minor: 1, access: "w" },
  ]);
  expect(decide(denied, "c", "rw", 1, 1)).toBe(false);
  expect(decide(denied, "c", "r", 1, 1)).toBe(true);
});

const unified = readFileSync("/proc/self/mounts", "utf8")
  .split("\n")
  .map((line) => line.split(" "))
  .find(([, , type]) => type === "cgroup2")?.[1];
const unable = process.getuid?.() !== 0 ? "not root" : unified === undefined ? "no cgroup2 mount" : "";

test.skipIf(unable !== "")(`the kernel takes it and obeys${unable && ` (skipped: ${unable})`}`, () => {
  const directory = join(unified!, `bunker-test-devices-${process.pid}`);
  mkdirSync(directory);
  try {
    applyDevicesV2(directory, rules);
    const script = `echo 0 > ${directory}/cgroup.procs; head -c 1 /dev/zero >/dev/null && echo zero; head -c 0 /dev/kmsg || echo no kmsg`;
    const child = Bun.spawnSync(["sh", "-c", script], { stderr: "ignore" });
    expect(child.stdout.toString()).toBe("zero\nno kmsg\n");
  } finally {
    rmdirSync(directory);
  }
});
