// The assembler: plan → a static ELF of two segments, the loop (read+execute) and the records with their data (read+write).
// man 5 elf; System V gABI chapters 4 and 5.
import { type Arch, machines } from "../../ffi/arch/index.ts";
import { loop as loopArm64 } from "./machine/arm64.ts";
import { HEAD, type LoopParameters, RECORD } from "./machine/layout.ts";
import { loop as loopX64 } from "./machine/x64.ts";
import {
  Address,
  type Arg,
  Constant,
  type Label,
  type Outcome,
  type Plan,
  Slot,
  toleratedBytes,
} from "./plan.ts";

const LOOP: Record<Arch, (parameters: LoopParameters) => Uint8Array> = { x64: loopX64, arm64: loopArm64 };

const TEXT = 0x400000;
const DATA = 0x410000; // one 64 KiB page further: arm64 kernels may use pages of that size
const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
const PAGE = 0x10000;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;

export interface AssembleOptions {
  /** Descriptor that gets {u32 record, u32 errno} when a record fails; -1: none. */
  reportFd?: number;
  /** Exit code after such a failure. */
  exitCode?: number;
}

const align = (n: number, to: number) => Math.ceil(n / to) * to;

/** Emits the ELF. Throws when a label was never placed. */
export function assemble(plan: Plan, options: AssembleOptions = {}): Uint8Array {
  const headers = ELF_HEADER + 3 * PROGRAM_HEADER;
  const codeSize = LOOP[plan.arch]({ head: DATA, first: DATA }).length;
  const dataOffset = align(headers + codeSize, 16);
  const head = DATA + dataOffset;
  const first = head + HEAD.size;
  const records = plan.records.length;
  const pool = first + records * RECORD.size;
  const size = pool - DATA + plan.poolSize;
  const image = new Uint8Array(size);
  const view = new DataView(image.buffer);

  header(view, plan.arch, TEXT + headers);
  segment(view, 0, PT_LOAD, PF_R | PF_X, 0, TEXT, headers + codeSize);
  segment(view, 1, PT_LOAD, PF_R | PF_W, dataOffset, head, size - dataOffset);
  segment(view, 2, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0);
  image.set(LOOP[plan.arch]({ head, first }), headers);

  view.setInt32(dataOffset + HEAD.reportFd, options.reportFd ?? -1, true);
  view.setInt32(dataOffset + HEAD.exitCode, options.exitCode ?? 1, true);

  const recordAddress = (index: number) => first + index * RECORD.size;
  const target = (label: Label | undefined, next: number) => {
    if (!label) return recordAddress(next);
    if (label.index < 0) throw new Error(`label ${label.name} was never placed`);
    return recordAddress(label.index);
  };
  plan.records.forEach((record, index) => {
    const at = recordAddress(index) - DATA;
    view.setBigInt64(at + RECORD.nr, BigInt(record.nr), true);
    let references = 0;
    record.args.forEach((arg, i) => {
      if (arg instanceof Slot) references |= 1 << i;
      view.setBigInt64(at + RECORD.args + 8 * i, word(arg, pool), true);
    });
    toleratedBytes(record.outcome).forEach((errno, i) => {
      image[at + RECORD.tolerate + i] = errno;
    });
    view.setUint32(at + RECORD.references, references, true);
    view.setUint32(at + RECORD.index, index, true);
    const { into, ok, zero, fail }: Outcome = record.outcome;
    view.setUint32(at + RECORD.into, into ? pool + into.offset : 0, true);
    view.setUint32(at + RECORD.ok, target(ok, index + 1), true);
    view.setUint32(at + RECORD.zero, target(zero ?? ok, index + 1), true);
    view.setUint32(at + RECORD.fail, target(fail, index + 1), true);
  });
  for (const entry of plan.pool) image.set(entry.bytes, pool - DATA + entry.offset);
  for (const { at, target } of plan.fixups) view.setBigUint64(pool - DATA + at, BigInt(pool + target), true);
  return image;
}

/** A 64-bit argument as the record holds it: for slots the cell's address, which the loop follows. */
function word(arg: Arg, pool: number): bigint {
  if (arg instanceof Slot || arg instanceof Address) return BigInt(pool + arg.offset);
  return BigInt.asIntN(64, BigInt(arg instanceof Constant ? arg.value : arg));
}

function header(view: DataView, arch: Arch, entry: number): void {
  view.setUint32(0, 0x7f454c46); // "\x7fELF"
  view.setUint8(4, 2); // ELFCLASS64
  view.setUint8(5, 1); // ELFDATA2LSB
  view.setUint8(6, 1); // EV_CURRENT
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machines[arch].ELF_MACHINE, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(ELF_HEADER), true); // e_phoff
  view.setUint16(52, ELF_HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, 3, true); // e_phnum
}

function segment(
  view: DataView,
  index: number,
  type: number,
  flags: number,
  offset: number,
  address: number,
  size: number,
): void {
  const at = ELF_HEADER + index * PROGRAM_HEADER;
  view.setUint32(at, type, true);
  view.setUint32(at + 4, flags, true);
  view.setBigUint64(at + 8, BigInt(offset), true);
  view.setBigUint64(at + 16, BigInt(address), true);
  view.setBigUint64(at + 24, BigInt(address), true);
  view.setBigUint64(at + 32, BigInt(size), true);
  view.setBigUint64(at + 40, BigInt(size), true);
  view.setBigUint64(at + 48, BigInt(type === PT_LOAD ? PAGE : 16), true);
}
