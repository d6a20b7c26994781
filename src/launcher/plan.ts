// A launch plan: the container's start as a list of system calls, decided here in TypeScript and carried out by a tiny
// static ELF (elf.ts) in which nothing is left to decide. It is written down in its final form as it is made, since
// every millisecond of the runtime is spent before the container starts. docs: README.md beside this file.
import { type Arch, machines, type SyscallName } from "../../ffi/arch/index.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { FIRST_RECORD, HEAD, HEAD_ADDRESS, POOL_ADDRESS, RECORD } from "./machine/layout.ts";

const KIND = { slot: 1, address: 2, constant: 3 } as const;

/** A 64-bit cell of the launcher's memory: results go in, later records refer to it. */
export class Slot {
  readonly kind = KIND.slot;
  constructor(
    readonly name: string,
    /** Where it lies in the data pool. */
    readonly offset: number,
  ) {}
}

/** The address of something in the data pool. */
export class Address {
  readonly kind = KIND.address;
  constructor(
    readonly offset: number,
    /** Its name in the plan's text; strings show their content. */
    readonly text: string,
    readonly isString = false,
  ) {}
}

/** A constant with the words the plan's text shows for it. */
export class Constant {
  readonly kind = KIND.constant;
  constructor(
    readonly value: number,
    readonly words: string | Readonly<Record<string, number>>,
  ) {}

  get text(): string {
    return typeof this.words === "string" ? this.words : Object.keys(this.words).join("|") || "0";
  }
}

/** A jump target; placed once with `plan.place`. */
export class Label {
  index = -1;
  constructor(readonly name: string) {}
}

/** An argument: a number, a constant with a name, an address in the pool, or the value that a slot holds by then. */
export type Arg = number | Constant | Address | Slot;

/** Named flags, or-ed: `bits({ O_PATH, O_CLOEXEC })` → 0o12000000 shown as "O_PATH|O_CLOEXEC". Each bit at most once. */
export function bits(flags: Readonly<Record<string, number>>): Constant {
  let value = 0;
  // Flags beyond 32 bits exist (CLONE_INTO_CGROUP), so they are added: the same for bits that differ.
  for (const name in flags) value += flags[name]!;
  return new Constant(value, flags);
}

export interface Outcome {
  /** Where the result goes (on a tolerated failure: -errno). */
  into?: Slot | Address;
  /** errnos that are no error; "any" tolerates all. A tolerated failure goes on at `fail`. */
  tolerate?: readonly string[] | "any";
  /** Where to go on after a result > 0 (default: the next record). */
  ok?: Label;
  /** Where to go on after a result of 0 (default: as `ok`). */
  zero?: Label;
  /** Where to go on after a tolerated failure (default: the next record). */
  fail?: Label;
  /** What the failure of this record means to a person: the words before the errno's text, or the whole message. */
  why?: string | ((errno: number) => string);
  /** Shown before the call in the plan's text. */
  note?: string;
}

/** `compute` instead of a syscall: ((a & mask) >> shift) - minus. */
export const COMPUTE = -1;
/** errno byte that stands for "any" in a record. */
const ANY_ERRNO = 0xff;
const NOTHING: Outcome = {};

/** A record as it was asked for: what its text and its error message are made of. */
export interface PlanRecord {
  nr: number;
  name: string;
  args: readonly Arg[];
  outcome: Outcome;
}

const WORDS = RECORD.size / 4;
const ARGS = RECORD.args / 4;
const TWO32 = 2 ** 32;

/** A 64-bit argument in two halves. */
function writeNumber(words: Int32Array, at: number, value: number): void {
  if (value >= 0 && value <= 0x7fffffff) {
    words[at] = value;
    return;
  }
  words[at] = value % TWO32;
  words[at + 1] = Math.floor(value / TWO32);
}

export class Plan {
  readonly records: PlanRecord[] = [];
  readonly labels: Label[] = [];
  /** The records in machine form. Before the JIT has warmed up every write costs, so what is zero is left alone. */
  #words = new Int32Array(512 * WORDS);
  /** Those of parts that are not given out yet. */
  readonly #jumps: { at: number; label: Label }[] = [];
  readonly #nr: Readonly<Record<SyscallName, number>>;
  #pool = Buffer.alloc(1 << 14);
  #poolSize = 0;
  readonly #strings = new Map<string, Address>();
  /** Where the plan was cut: a part ends before this record, and at this size of the pool. */
  #cut: { record: number; pool: number } | undefined;
  /** The end of what `finish` and `next` have given out. */
  #given = { record: 0, pool: 0 };

  constructor(
    readonly title: string,
    readonly arch: Arch,
  ) {
    this.#nr = machines[arch].NR;
  }

  /** Room in the pool, 8-byte aligned and zero. */
  #reserve(size: number): number {
    const offset = this.#poolSize;
    this.#poolSize = (offset + size + 7) & ~7;
    while (this.#poolSize > this.#pool.length)
      this.#pool = Buffer.concat([this.#pool, Buffer.alloc(this.#pool.length)]);
    return offset;
  }

  /** Puts bytes into the data pool; `text` is what the plan's text shows for them. */
  bytes(text: string, bytes: Uint8Array): Address {
    const offset = this.#reserve(bytes.length);
    this.#pool.set(bytes, offset);
    return new Address(offset, text);
  }

  /** The address of a NUL-terminated copy; equal strings share one. Throws on an embedded NUL. */
  string(text: string): Address {
    const known = this.#strings.get(text);
    if (known) return known;
    if (text.includes("\0")) throw new TypeError(`embedded NUL byte in ${JSON.stringify(text)}`);
    // At most three bytes for each UTF-16 unit; what is not used is given back.
    const offset = this.#reserve(3 * text.length + 1);
    this.#poolSize = (offset + this.#pool.write(text, offset) + 8) & ~7;
    const address = new Address(offset, text, true);
    this.#strings.set(text, address);
    return address;
  }

  slot(name: string, initial = 0): Slot {
    const offset = this.#reserve(8);
    if (initial !== 0) this.#pool.writeBigInt64LE(BigInt(initial), offset);
    return new Slot(name, offset);
  }

  /** The address of a slot's cell, for calls that write to it. */
  addressOf(slot: Slot): Address {
    return new Address(slot.offset, slot.name);
  }

  /** An array of pointers into the pool, NULL-terminated: argv, envp. */
  pointers(text: string, to: readonly Address[]): Address {
    const offset = this.#reserve(8 * (to.length + 1));
    to.forEach((target, i) => {
      this.pointer(offset + 8 * i, target);
    });
    return new Address(offset, text);
  }

  /** Makes the pool cell at `at` hold the address of `target`. */
  pointer(at: number, target: Address): void {
    this.#pool.writeUInt32LE(POOL_ADDRESS + target.offset, at);
  }

  label(name: string): Label {
    return new Label(name);
  }

  /** The label's target is the next record added. */
  place(label: Label): void {
    if (label.index >= 0) throw new Error(`label ${label.name} placed twice`);
    label.index = this.records.length;
    this.labels.push(label);
  }

  /** A pool cell for use as a result inside a struct: `field(args, 80)`. */
  field(of: Address, offset: number): Address {
    return new Address(of.offset + offset, `${of.text}+${offset}`);
  }

  /** Adds into = ((a & mask) >> shift) - minus; goes to `zero` when that is 0, else to `ok`. */
  compute(a: Arg, mask: Arg, shift: Arg, minus: Arg, outcome: Outcome = NOTHING): void {
    this.call("compute", [a, mask, shift, minus], outcome);
  }

  /** Adds into = value. */
  set(into: Slot | Address, value: Arg, outcome: Outcome = NOTHING): void {
    this.compute(value, -1, 0, 0, { ...outcome, into });
  }

  /** Ends the plan as a failed record does, with this message: for what is only known at run time. */
  refuse(message: string): void {
    // close(-1) is the cheapest call that always fails; its EBADF is not shown.
    this.call("close", [-1], { why: () => message, note: `refuse ${JSON.stringify(message)}` });
  }

  /** The stack as the kernel left it at the start: argc, argv, envp. */
  get stackPointer(): Slot {
    return new Slot("sp", HEAD_ADDRESS + HEAD.stack - POOL_ADDRESS);
  }

  /** into = the 64 bits at the address that a slot holds. The next record's argument is overwritten with that address. */
  load(into: Slot, pointer: Slot): void {
    const next = FIRST_RECORD + (this.records.length + 1) * RECORD.size;
    this.set(new Address(next + RECORD.args - POOL_ADDRESS, "next record's argument"), pointer);
    this.set(into, new Slot(`*${pointer.name}`, 0));
  }

  /** Stores a value's 64 bits at a pool address that a slot holds. */
  store(pointer: Slot, value: Arg): void {
    const next = FIRST_RECORD + (this.records.length + 1) * RECORD.size;
    // The record's result address is the lower half of the cell written; the upper half, its `ok` jump, stays 0.
    this.set(new Address(next + RECORD.into - POOL_ADDRESS, "next record's result"), pointer);
    this.compute(value, -1, 0, 0);
  }

  /** Goes on at the label. */
  jump(to: Label): void {
    this.compute(0, 0, 0, 0, { ok: to, zero: to });
  }

  /** Adds a system call. This and what it calls run for every record: kept flat and plain on purpose. */
  call(name: SyscallName | "compute", args: readonly Arg[], outcome: Outcome = NOTHING): void {
    const nr = name === "compute" ? COMPUTE : this.#nr[name];
    const start = this.records.length * WORDS;
    this.records.push({ nr, name, args, outcome });
    if (start + WORDS > this.#words.length) {
      const more = new Int32Array(2 * this.#words.length);
      more.set(this.#words);
      this.#words = more;
    }
    const words = this.#words;
    words[start] = nr;
    if (nr < 0) words[start + 1] = -1;
    let references = 0;
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]!;
      const at = start + ARGS + 2 * i;
      if (typeof arg === "number") {
        if (arg !== 0) writeNumber(words, at, arg);
      } else if (arg.kind === KIND.constant) {
        if (arg.value !== 0) writeNumber(words, at, arg.value);
      } else {
        words[at] = POOL_ADDRESS + arg.offset;
        if (arg.kind === KIND.slot) references |= 1 << i;
      }
    }
    if (references !== 0) words[start + RECORD.references / 4] = references;
    if (outcome === NOTHING) return;
    const { into, tolerate, ok, zero, fail } = outcome;
    if (into) words[start + RECORD.into / 4] = POOL_ADDRESS + into.offset;
    if (tolerate) {
      const [low, high] = toleratedErrnos(tolerate);
      words[start + RECORD.tolerate / 4] = low;
      if (high !== 0) words[start + RECORD.tolerate / 4 + 1] = high;
    }
    if (ok) this.#jumps.push({ at: start + RECORD.ok / 4, label: ok });
    if (zero ?? ok) this.#jumps.push({ at: start + RECORD.zero / 4, label: (zero ?? ok)! });
    if (fail) this.#jumps.push({ at: start + RECORD.fail / 4, label: fail });
  }

  /**
   * Cuts the plan: what comes after this is made while the part before it runs already, which reads it from descriptor `from`
   * into its own memory, to go on there. It must not be let come here before `next` is in that file, behind the parts before.
   */
  cut(from: number): void {
    // {bytes of records, bytes of pool}: the part's head in the file.
    const head = this.bytes("head of the next part", new Uint8Array(HEAD_OF_PART));
    const record = this.records.length + 3;
    const pool = this.#poolSize;
    const why = "reading the next part of the plan";
    const read = (name: string, address: number, size: Arg) =>
      this.call("read", [from, new Address(address - POOL_ADDRESS, name), size], { why });
    read("head", POOL_ADDRESS + head.offset, HEAD_OF_PART);
    read("next record", FIRST_RECORD + record * RECORD.size, new Slot("size of records", head.offset));
    read("pool", POOL_ADDRESS + pool, new Slot("size of pool", head.offset + 8));
    this.#cut = { record, pool };
  }

  /** What was made since the last part: up to the cut, or to the end. Throws when it jumps to where nothing is yet. */
  #part(): { pool: Uint8Array; words: Int32Array } {
    const from = this.#given;
    const to = this.#cut ?? { record: this.records.length, pool: this.#poolSize };
    this.#given = to;
    this.#cut = undefined;
    for (const { at, label } of this.#jumps.splice(0)) {
      if (label.index < 0) throw new Error(`label ${label.name} was never placed`);
      this.#words[at] = FIRST_RECORD + label.index * RECORD.size;
    }
    return {
      pool: this.#pool.subarray(from.pool, to.pool),
      words: this.#words.subarray(from.record * WORDS, to.record * WORDS),
    };
  }

  /**
   * The pool and the records as they go into the ELF: the first part of a plan that was cut. `room`: bytes that must be free
   * behind each of them. Throws when a label was never placed.
   */
  finish(): { pool: Uint8Array; words: Int32Array; room: { pool: number; records: number } } {
    const room = this.#cut ? ROOM : { pool: 0, records: 0 };
    return { ...this.#part(), room };
  }

  /** The next part, for the file that the running one reads. Throws when a label was never placed, or it is too much. */
  next(): Uint8Array {
    const { pool, words } = this.#part();
    if (this.records.length * RECORD.size > ROOM.records || this.#poolSize > ROOM.pool)
      throw new Error("the plan outgrew the room that was left for it");
    const file = new Uint8Array(HEAD_OF_PART + words.byteLength + pool.length);
    const view = new DataView(file.buffer);
    view.setUint32(0, words.byteLength, true);
    view.setUint32(8, pool.length, true);
    file.set(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), HEAD_OF_PART);
    file.set(pool, HEAD_OF_PART + words.byteLength);
    return file;
  }
}

const HEAD_OF_PART = 16;
/** Address space for what is read later; what is not touched costs nothing. */
const ROOM = { records: 0x80000, pool: 0x400000 } as const;

/** Index of the record at an address that the launcher reported. */
export function recordIndex(address: number): number {
  return (address - FIRST_RECORD) / RECORD.size;
}

type TwoWords = readonly [number, number];

/** errno numbers of a record's tolerance as the eight bytes the loop compares. Throws on an unknown name. */
function toleratedErrnos(tolerate: readonly string[] | "any"): TwoWords {
  if (tolerate === "any") return [ANY_ERRNO, 0];
  if (tolerate.length > 8) throw new Error("more than eight tolerated errnos in one record");
  let low = 0;
  let high = 0;
  tolerate.forEach((name, i) => {
    const number = ERRNO[name];
    if (number === undefined || number >= ANY_ERRNO) throw new Error(`no errno ${name}`);
    if (i < 4) low |= number << (8 * i);
    else high |= number << (8 * (i - 4));
  });
  return [low, high];
}
