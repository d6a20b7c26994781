// Classic BPF as seccomp runs it: instructions and a code builder with labels. man 2 seccomp, linux/filter.h

/** struct sock_filter */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

export const LD_W_ABS = 0x20; // BPF_LD | BPF_W | BPF_ABS
export const AND_K = 0x54; // BPF_ALU | BPF_AND | BPF_K
export const JA = 0x05; // BPF_JMP | BPF_JA
export const JEQ = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
export const JGT = 0x25; // BPF_JMP | BPF_JGT | BPF_K
export const JGE = 0x35; // BPF_JMP | BPF_JGE | BPF_K
export const RET = 0x06; // BPF_RET | BPF_K

/** The kernel's limit for one filter: BPF_MAXINSNS. */
export const MAX_INSTRUCTIONS = 4096;

/** Offsets in struct seccomp_data; both machines are little-endian. */
export const DATA = {
  nr: 0,
  arch: 4,
  low: (argument: number) => 16 + 8 * argument,
  high: (argument: number) => 20 + 8 * argument,
} as const;

export const load = (offset: number): Instruction => ({ code: LD_W_ABS, jt: 0, jf: 0, k: offset });
export const and = (mask: number): Instruction => ({ code: AND_K, jt: 0, jf: 0, k: mask >>> 0 });
export const ret = (action: number): Instruction => ({ code: RET, jt: 0, jf: 0, k: action >>> 0 });

/** A two-way branch over finished code: `test` true goes on with `yes`, else with `no`. Both must end in returns. */
export function branch(code: number, k: number, yes: Instruction[], no: Instruction[]): Instruction[] {
  const test = { code, k: k >>> 0 };
  // Jumps in cBPF are forward and 8 bits wide; a long one goes over a JA, whose offset has 32.
  if (no.length <= 255) return [{ ...test, jt: no.length, jf: 0 }, ...no, ...yes];
  return [{ ...test, jt: 0, jf: 1 }, { code: JA, jt: 0, jf: 0, k: no.length }, ...no, ...yes];
}

/** Straight code with forward jumps to names, for what is shorter than a jump reaches. */
export class Code {
  readonly #instructions: Instruction[] = [];
  readonly #jumps: { at: number; yes: string | undefined; no: string | undefined }[] = [];
  readonly #labels = new Map<string, number>();

  emit(...instructions: Instruction[]): this {
    this.#instructions.push(...instructions);
    return this;
  }

  /** A test; a side without a label goes on with the next instruction. */
  test(code: number, k: number, to: { yes?: string; no?: string }): this {
    this.#jumps.push({ at: this.#instructions.length, yes: to.yes, no: to.no });
    return this.emit({ code, jt: 0, jf: 0, k: k >>> 0 });
  }

  place(label: string): this {
    this.#labels.set(label, this.#instructions.length);
    return this;
  }

  /** The instructions with their jumps resolved. */
  finish(): Instruction[] {
    const offset = (at: number, label: string | undefined) => {
      if (label === undefined) return 0;
      const delta = (this.#labels.get(label) ?? Number.NaN) - at - 1;
      if (!(delta >= 0 && delta <= 255)) throw new Error(`seccomp: jump to ${label} cannot reach (${delta})`);
      return delta;
    };
    for (const { at, yes, no } of this.#jumps) {
      const instruction = this.#instructions[at]!;
      this.#instructions[at] = { ...instruction, jt: offset(at, yes), jf: offset(at, no) };
    }
    return this.#instructions;
  }
}

/** The program as the kernel takes it. Throws when it is longer than the kernel allows. */
export function encode(program: readonly Instruction[]): Uint8Array {
  if (program.length > MAX_INSTRUCTIONS)
    throw new Error(`seccomp filter of ${program.length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`);
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, i) => {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, true);
  });
  return bytes;
}
