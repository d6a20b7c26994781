// The assembler: plan → a static ELF of three segments: the loop (read, execute), the data pool and the records (read,
// write). All addresses are fixed, so a plan is written down in its final form as it is made. man 5 elf; gABI 4 and 5.
import { type Arch, machines } from "../../ffi/arch/index.ts";
import { loop as loopArm64 } from "./machine/arm64.ts" with { type: "macro" };
import { HEAD, HEAD_ADDRESS, POOL_ADDRESS, POOL_OFFSET, TEXT } from "./machine/layout.ts";
import { loop as loopX64 } from "./machine/x64.ts" with { type: "macro" };
import type { Plan } from "./plan.ts";

/** Macros: the loops are assembled when the bundle is made, not when a container starts. */
const LOOP: Record<Arch, readonly number[]> = { x64: loopX64(), arm64: loopArm64() };
/** Segments start on pages; arm64 kernels may have 64 KiB ones. */
const PAGE: Record<Arch, number> = { x64: 0x1000, arm64: 0x10000 };

const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
const PROGRAM_HEADERS = 4;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;

export interface AssembleOptions {
  /** Descriptor that gets {u32 address of the record, u32 errno} when a record fails; -1: none. */
  reportFd?: number;
  /** Exit code after such a failure. */
  exitCode?: number;
}

/** Emits the ELF. Throws when a label was never placed. */
export function assemble(plan: Plan, options: AssembleOptions = {}): Uint8Array {
  const { pool, words, room } = plan.finish();
  const code = LOOP[plan.arch];
  const entry = ELF_HEADER + PROGRAM_HEADERS * PROGRAM_HEADER;
  if (entry + code.length > POOL_OFFSET) throw new Error("the loop outgrew its place");
  const page = PAGE[plan.arch];
  const headOffset = Math.ceil((POOL_OFFSET + pool.length) / page) * page;
  const headSize = HEAD.size + words.byteLength;
  const image = new Uint8Array(headOffset + headSize);
  const view = new DataView(image.buffer);
  header(view, plan.arch, TEXT + entry);
  segment(view, 0, PT_LOAD, PF_R | PF_X, {
    offset: 0,
    address: TEXT,
    size: entry + code.length,
    align: page,
  });
  segment(view, 1, PT_LOAD, PF_R | PF_W, {
    offset: headOffset,
    address: HEAD_ADDRESS,
    size: headSize,
    room: room.records,
    align: page,
  });
  segment(view, 2, PT_LOAD, PF_R | PF_W, {
    offset: POOL_OFFSET,
    address: POOL_ADDRESS,
    size: pool.length,
    room: room.pool,
    align: page,
  });
  segment(view, 3, PT_GNU_STACK, PF_R | PF_W, { offset: 0, address: 0, size: 0, align: 16 });
  image.set(code, entry);
  image.set(pool, POOL_OFFSET);
  view.setInt32(headOffset + HEAD.reportFd, options.reportFd ?? -1, true);
  view.setInt32(headOffset + HEAD.exitCode, options.exitCode ?? 1, true);
  image.set(new Uint8Array(words.buffer, 0, words.byteLength), headOffset + HEAD.size);
  return image;
}

function header(view: DataView, arch: Arch, entry: number): void {
  view.setUint32(0, 0x7f454c46); // "\x7fELF"
  view.setUint8(4, 2); // ELFCLASS64
  view.setUint8(5, 1); // ELFDATA2LSB
  view.setUint8(6, 1); // EV_CURRENT
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machines[arch].ELF_MACHINE, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, entry, true);
  view.setUint32(32, ELF_HEADER, true); // e_phoff
  view.setUint16(52, ELF_HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, PROGRAM_HEADERS, true);
}

interface Extent {
  offset: number;
  address: number;
  size: number;
  /** Zeroed bytes behind what the file has. */
  room?: number;
  align: number;
}

/** Program header `index`; the high halves of its 64-bit fields stay zero. */
function segment(view: DataView, index: number, type: number, flags: number, extent: Extent): void {
  const at = ELF_HEADER + index * PROGRAM_HEADER;
  view.setUint32(at, type, true);
  view.setUint32(at + 4, flags, true);
  view.setUint32(at + 8, extent.offset, true);
  view.setUint32(at + 16, extent.address, true);
  view.setUint32(at + 24, extent.address, true);
  view.setUint32(at + 32, extent.size, true);
  view.setUint32(at + 40, extent.size + (extent.room ?? 0), true);
  view.setUint32(at + 48, extent.align, true);
}
