// A launch plan: the container's start as a list of system calls, decided here in TypeScript and carried out by a tiny
// static ELF (elf.ts) in which nothing is left to decide. docs: README.md beside this file.
import { type Arch, machines, type SyscallName } from "../../ffi/arch/index.ts";
import { ERRNO } from "../../ffi/errno.ts";

/** A 64-bit cell of the launcher's memory: results go in, later records refer to it. */
export class Slot {
  constructor(
    readonly name: string,
    /** Where it lies in the data pool. */
    readonly offset: number,
  ) {}
}

/** The address of something in the data pool. */
export class Address {
  constructor(
    readonly offset: number,
    /** How the plan's text shows it. */
    readonly text: string,
  ) {}
}

/** A constant with the words the plan's text shows for it. */
export class Constant {
  constructor(
    readonly value: number | bigint,
    readonly text: string,
  ) {}
}

/** A jump target; placed once with `plan.place`. */
export class Label {
  index = -1;
  constructor(readonly name: string) {}
}

/** An argument: a number, a constant with a name, an address in the pool, or the value that a slot holds by then. */
export type Arg = number | bigint | Constant | Address | Slot;

/** Named flag constants, or-ed: `bits({ O_PATH, O_CLOEXEC })` → 0o12000000 shown as "O_PATH|O_CLOEXEC". */
export function bits(flags: Readonly<Record<string, number | bigint>>): Constant {
  let value = 0n;
  for (const bit of Object.values(flags)) value |= BigInt.asUintN(64, BigInt(bit));
  return new Constant(value, Object.keys(flags).join("|") || "0");
}

export interface PoolEntry {
  offset: number;
  text: string;
  bytes: Uint8Array;
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
}

/** `compute` instead of a syscall: ((a & mask) >> shift) - minus. */
export const COMPUTE = -1;

export interface PlanRecord {
  nr: number;
  name: string;
  args: Arg[];
  outcome: Outcome;
}

const encoder = new TextEncoder();

/** errno byte that stands for "any" in a record. */
export const ANY_ERRNO = 0xff;

export class Plan {
  readonly records: PlanRecord[] = [];
  readonly pool: PoolEntry[] = [];
  readonly labels: Label[] = [];
  #poolSize = 0;
  #strings = new Map<string, Address>();

  constructor(
    readonly title: string,
    readonly arch: Arch,
  ) {}

  get poolSize(): number {
    return this.#poolSize;
  }

  /** Puts bytes into the data pool (8-byte aligned). */
  bytes(text: string, bytes: Uint8Array): Address {
    const offset = this.#poolSize;
    this.pool.push({ offset, text, bytes });
    this.#poolSize = (offset + bytes.length + 7) & ~7;
    return new Address(offset, `&${text}`);
  }

  /** The address of a NUL-terminated copy; equal strings share one. Throws on an embedded NUL. */
  string(text: string): Address {
    const known = this.#strings.get(text);
    if (known) return known;
    if (text.includes("\0")) throw new TypeError(`embedded NUL byte in ${JSON.stringify(text)}`);
    const at = this.bytes("", encoder.encode(`${text}\0`));
    const address = new Address(at.offset, JSON.stringify(text));
    this.#strings.set(text, address);
    return address;
  }

  slot(name: string, initial = 0n): Slot {
    const cell = new Uint8Array(8);
    new DataView(cell.buffer).setBigInt64(0, initial, true);
    return new Slot(name, this.bytes(name, cell).offset);
  }

  /** An array of pointers into the pool, NULL-terminated: argv, envp. Resolved by the assembler. */
  pointers(text: string, to: readonly Address[]): Address {
    const at = this.bytes(text, new Uint8Array(8 * (to.length + 1)));
    to.forEach((target, i) => {
      this.fixups.push({ at: at.offset + 8 * i, target: target.offset });
    });
    return at;
  }

  /** Pool cells that must hold the final address of another pool offset. */
  readonly fixups: { at: number; target: number }[] = [];

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

  /** Adds a system call. */
  call(name: SyscallName, args: Arg[], outcome: Outcome = {}): void {
    if (args.length > 6) throw new Error(`${name}: ${args.length} arguments`);
    this.records.push({ nr: machines[this.arch].NR[name], name, args, outcome });
  }

  /** Adds into = ((a & mask) >> shift) - minus; goes to `zero` when that is 0, else to `ok`. */
  compute(a: Arg, mask: Arg, shift: Arg, minus: Arg, outcome: Outcome = {}): void {
    this.records.push({ nr: COMPUTE, name: "compute", args: [a, mask, shift, minus], outcome });
  }

  /** Adds into = value. */
  set(into: Slot, value: Arg, outcome: Outcome = {}): void {
    this.compute(value, -1n, 0, 0, { ...outcome, into });
  }

  /** Ends the plan as a failed record does, with this message: for what is only known at run time. */
  refuse(message: string): void {
    // close(-1) is the cheapest call that always fails; its EBADF is not shown.
    this.records.push({
      nr: machines[this.arch].NR.close,
      name: `refuse ${JSON.stringify(message)}: close`,
      args: [-1],
      outcome: { why: () => message },
    });
  }

  /** Goes on at the label. */
  jump(to: Label): void {
    this.compute(0, 0, 0, 0, { ok: to, zero: to });
  }
}

/** The tolerated errnos of a record as the bytes the loop compares. Throws when there are more than eight. */
export function toleratedBytes(outcome: Outcome): number[] {
  if (outcome.tolerate === "any") return [ANY_ERRNO];
  const numbers = (outcome.tolerate ?? []).map((name) => {
    const number = ERRNO[name];
    if (number === undefined || number >= ANY_ERRNO) throw new Error(`no errno ${name}`);
    return number;
  });
  if (numbers.length > 8) throw new Error("more than eight tolerated errnos in one record");
  return numbers;
}
