// The kernel's classic BPF machine as far as seccomp uses it: to see what a compiled filter decides, without loading it.
import type { Instruction } from "../../src/roles/runtime/seccomp/bpf.ts";

export interface Call {
  nr: number;
  arch: number;
  args?: readonly bigint[];
}

/** The filter's return value and how many instructions it took. Throws where the kernel would refuse the program. */
export function simulate(program: readonly Instruction[], call: Call): { action: number; steps: number } {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.nr, true);
  data.setUint32(4, call.arch, true);
  (call.args ?? []).forEach((value, i) => {
    data.setBigUint64(16 + 8 * i, BigInt.asUintN(64, value), true);
  });
  let accumulator = 0;
  let steps = 0;
  for (let pc = 0; ; pc++) {
    const instruction = program[pc];
    if (!instruction) throw new Error(`jump out of the program to ${pc}`);
    if (steps++ > program.length) throw new Error("a loop");
    const { code, jt, jf, k } = instruction;
    if (jt > 255 || jf > 255) throw new Error(`jump too wide at ${pc}`);
    const jump = (holds: boolean) => {
      pc += holds ? jt : jf;
    };
    switch (code) {
      case 0x20:
        accumulator = data.getUint32(k, true);
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        pc += k;
        break;
      case 0x15:
        jump(accumulator === k);
        break;
      case 0x25:
        jump(accumulator > k);
        break;
      case 0x35:
        jump(accumulator >= k);
        break;
      case 0x06:
        return { action: k, steps };
      default:
        throw new Error(`unknown instruction ${code} at ${pc}`);
    }
  }
}
