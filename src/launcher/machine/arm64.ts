// The loop on arm64. Registers: x19 = current record; x0–x5 arguments, x8 number, x9–x12 scratch. No stack is used.
import { NR } from "../../../ffi/arch/arm64.ts";
import { FIRST_RECORD, HEAD, HEAD_ADDRESS, RECORD } from "./layout.ts";

/** Instruction words with branches to labels, fixed up at the end. Arm Architecture Reference Manual, C6.2. */
class Code {
  readonly words: number[] = [];
  #labels = new Map<string, number>();
  #branches: { at: number; to: string; bits: 26 | 19 }[] = [];

  emit(word: number): void {
    this.words.push(word >>> 0);
  }
  label(name: string): void {
    this.#labels.set(name, this.words.length);
  }
  b(to: string): void {
    this.#branches.push({ at: this.words.length, to, bits: 26 });
    this.emit(0x14000000);
  }
  /** b.cond, cbz or cbnz: all carry a 19-bit word offset at bit 5. */
  branch(word: number, to: string): void {
    this.#branches.push({ at: this.words.length, to, bits: 19 });
    this.emit(word);
  }
  finish(): number[] {
    for (const { at, to, bits } of this.#branches) {
      const target = this.#labels.get(to);
      if (target === undefined) throw new Error(`no label ${to}`);
      const delta = target - at;
      const word = this.words[at]!;
      this.words[at] =
        bits === 26 ? (word | (delta & 0x3ffffff)) >>> 0 : (word | ((delta & 0x7ffff) << 5)) >>> 0;
    }
    return [...new Uint8Array(Uint32Array.from(this.words).buffer)];
  }
}

const X19 = 19;
const EQ = 0;
const HS = 2;

/** ldr Xt,[Xn,#offset] */
const ldr = (t: number, n: number, offset: number) => 0xf9400000 | ((offset / 8) << 10) | (n << 5) | t;
/** ldr Wt,[Xn,#offset] */
const ldrw = (t: number, n: number, offset: number) => 0xb9400000 | ((offset / 4) << 10) | (n << 5) | t;
/** str Xt,[Xn,#offset] */
const str = (t: number, n: number, offset: number) => 0xf9000000 | ((offset / 8) << 10) | (n << 5) | t;
/** str Wt,[Xn,#offset] */
const strw = (t: number, n: number, offset: number) => 0xb9000000 | ((offset / 4) << 10) | (n << 5) | t;
/** movz Xd,#imm{,lsl #16} */
const movz = (d: number, imm: number, high = false) =>
  0xd2800000 | (high ? 1 << 21 : 0) | ((imm & 0xffff) << 5) | d;
/** movk Xd,#imm,lsl #16 */
const movkHigh = (d: number, imm: number) => 0xf2a00000 | ((imm & 0xffff) << 5) | d;
const cbz = (t: number) => 0xb4000000 | t;
const cbnz = (t: number) => 0xb5000000 | t;
const cbzw = (t: number) => 0x34000000 | t;
const bcond = (condition: number) => 0x54000000 | condition;
/** cmp Wn,Wm */
const cmpw = (n: number, m: number) => 0x6b00001f | (m << 16) | (n << 5);
/** cmp Wn,#imm */
const cmpwi = (n: number, imm: number) => 0x7100001f | (imm << 10) | (n << 5);
const SVC = 0xd4000001;

/** The machine code of the loop, byte by byte: a macro of elf.ts. */
export function loop(): number[] {
  const c = new Code();
  const address = (d: number, value: number) => {
    c.emit(movz(d, value));
    c.emit(movkHigh(d, value >>> 16));
  };
  address(1, HEAD_ADDRESS);
  c.emit(0x910003e9); // mov x9,sp
  c.emit(str(9, 1, HEAD.stack));
  address(X19, FIRST_RECORD);
  c.label("record");
  c.emit(ldrw(9, X19, RECORD.references));
  for (let i = 0; i < 6; i++) {
    c.emit(ldr(i, X19, RECORD.args + 8 * i));
    c.emit(0x36000000 | (i << 19) | (2 << 5) | 9); // tbz w9,#i,+2 words
    c.emit(ldr(i, i, 0));
  }
  c.emit(ldr(8, X19, RECORD.nr));
  c.emit(0xb7f80000 | 8); // tbnz x8,#63,compute
  const compute = c.words.length - 1;
  c.emit(SVC);
  c.emit(0xb13ffc1f | (0 << 5)); // cmn x0,#4095
  c.branch(bcond(HS), "failed");
  c.label("done");
  c.emit(ldrw(9, X19, RECORD.into));
  c.branch(cbz(9), "choose");
  c.emit(str(0, 9, 0));
  c.label("choose");
  c.emit(ldrw(9, X19, RECORD.ok));
  c.branch(cbnz(0), "go");
  c.emit(ldrw(9, X19, RECORD.zero));
  c.label("go");
  c.branch(cbz(9), "next");
  c.emit(0xaa0903f3); // mov x19,x9
  c.b("record");
  c.label("next");
  c.emit(0x91000000 | (RECORD.size << 10) | (X19 << 5) | X19); // add x19,x19,#size
  c.b("record");

  c.words[compute] = (c.words[compute]! | (((c.words.length - compute) & 0x3fff) << 5)) >>> 0;
  c.emit(0x8a010000); // and x0,x0,x1
  c.emit(0x9ac22400); // lsr x0,x0,x2
  c.emit(0xcb030000); // sub x0,x0,x3
  c.b("done");

  c.label("failed");
  c.emit(0x4b0003ea); // neg w10,w0: errno
  c.emit(cmpwi(10, 4)); // EINTR: the same record again
  c.branch(bcond(EQ), "record");
  c.emit(ldr(11, X19, RECORD.tolerate));
  c.label("next errno");
  c.emit(0x12001d6c); // and w12,w11,#0xff
  c.branch(cbzw(12), "fatal");
  c.emit(cmpwi(12, 0xff));
  c.branch(bcond(EQ), "tolerated");
  c.emit(cmpw(12, 10));
  c.branch(bcond(EQ), "tolerated");
  c.emit(0xd348fd6b); // lsr x11,x11,#8
  c.b("next errno");
  c.label("tolerated");
  c.emit(ldrw(9, X19, RECORD.into));
  c.branch(cbz(9), "skip");
  c.emit(str(0, 9, 0)); // -errno
  c.label("skip");
  c.emit(ldrw(9, X19, RECORD.fail));
  c.b("go");

  c.label("fatal");
  address(1, HEAD_ADDRESS);
  c.emit(strw(X19, 1, HEAD.report));
  c.emit(strw(10, 1, HEAD.report + 4));
  c.emit(ldrw(0, 1, HEAD.reportFd));
  c.emit(movz(2, 8));
  c.emit(movz(8, NR.write));
  c.emit(SVC);
  address(1, HEAD_ADDRESS);
  c.emit(ldrw(0, 1, HEAD.exitCode));
  c.emit(movz(8, NR.exit_group));
  c.emit(SVC);
  return c.finish();
}
