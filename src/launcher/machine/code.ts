// Writing x86-64 machine code: bytes with jumps to labels, fixed up at the end.

export const u32 = (n: number) => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, (n >>> 24) & 0xff];

export class Code {
  readonly bytes: number[] = [];
  #labels = new Map<string, number>();
  #jumps: { at: number; size: 1 | 4; to: string }[] = [];

  emit(...bytes: number[]): void {
    this.bytes.push(...bytes);
  }
  label(name: string): void {
    this.#labels.set(name, this.bytes.length);
  }
  /** An instruction whose last byte is a rel8 to `to`. */
  jump(opcode: readonly number[], to: string): void {
    this.emit(...opcode, 0);
    this.#jumps.push({ at: this.bytes.length - 1, size: 1, to });
  }
  /** An instruction whose last four bytes are a rel32 to `to`. */
  far(opcode: readonly number[], to: string): void {
    this.emit(...opcode, 0, 0, 0, 0);
    this.#jumps.push({ at: this.bytes.length - 4, size: 4, to });
  }
  /** Throws when a label is missing, or too far away for a rel8. */
  finish(): number[] {
    for (const { at, size, to } of this.#jumps) {
      const target = this.#labels.get(to);
      if (target === undefined) throw new Error(`no label ${to}`);
      const delta = target - (at + size);
      if (size === 1 && (delta < -128 || delta > 127)) throw new Error(`jump to ${to} is too far: ${delta}`);
      this.bytes.splice(at, size, ...u32(delta).slice(0, size));
    }
    return this.bytes;
  }
}
