// A prologue for the compiled executable: some 150 bytes of machine code that run before libc's start code and give the
// program the environment it shall see.
//
//   - Variables named BUN_… or NODE_… are taken out. Bun and its engine read them before any JavaScript runs, and whoever
//     sets the environment of a root daemon must not steer it. After this there is nothing left to close (scripts/harden.ts
//     remains as the second lock, for executables this cannot be done to).
//   - Settings of the engine are put in: those of a short life, or, where the environment marks a long one, that one's in
//     place of the mark (src/lives.ts).
//
// The kernel and ld.so leave argc, argv, envp at the stack pointer; libc takes envp from behind argv, and the program reads
// `environ`, which the linker copied into its .bss: both are set. The code lies in the padding between the read-only and
// the executable segment, which is mapped executable as part of the first page. System V ABI, x86-64, 3.4.1.
import { Code, u32 } from "../src/launcher/machine/code.ts";

/** Code that runs before the prologue's own, and goes on at its end or not at all. */
export interface Before {
  /** What stands in the executable, data and code. */
  bytes: readonly number[];
  /** Where in it the code begins. */
  entry: number;
}

/** Where things are in the executable. */
interface Layout {
  entry: number;
  /** File offset of free bytes that are mapped executable, and how many there are. */
  cave: { offset: number; size: number; address: number };
  /** Address of `environ`. */
  environ: number;
}

const ELF_HEADER = {
  machine: 18,
  entry: 24,
  programHeaders: 32,
  programHeaderCount: 56,
  sections: 40,
  sectionCount: 60,
};
const X86_64 = 62;
const PT_LOAD = 1;
const PF_X = 1;
const SHT_DYNSYM = 11;
const PAGE = 0x1000;

const word = (file: Buffer, at: number) => Number(file.readBigUInt64LE(at));

function layoutOf(file: Buffer): Layout | string {
  if (file.readUInt32BE(0) !== 0x7f454c46) return "not an ELF file";
  if (file.readUInt16LE(ELF_HEADER.machine) !== X86_64) return "no prologue for this machine";
  const environ = symbol(file, "environ");
  if (!environ) return "the executable has no `environ` of its own";
  const loads: { flags: number; offset: number; address: number; size: number }[] = [];
  const headers = word(file, ELF_HEADER.programHeaders);
  for (let i = 0; i < file.readUInt16LE(ELF_HEADER.programHeaderCount); i++) {
    const at = headers + 56 * i;
    if (file.readUInt32LE(at) !== PT_LOAD) continue;
    loads.push({
      flags: file.readUInt32LE(at + 4),
      offset: word(file, at + 8),
      address: word(file, at + 16),
      size: word(file, at + 32),
    });
  }
  const text = loads.findIndex((load) => load.flags & PF_X);
  const before = loads[text - 1];
  const code = loads[text];
  if (!before || !code) return "no padding before the code";
  const start = Math.max(before.offset + before.size, code.offset & ~(PAGE - 1));
  const offset = (start + 15) & ~15;
  const size = code.offset - offset;
  if (size < 0 || !file.subarray(offset, code.offset).every((byte) => byte === 0))
    return "no padding before the code";
  return {
    entry: word(file, ELF_HEADER.entry),
    cave: { offset, size, address: code.address - (code.offset - offset) },
    environ,
  };
}

/** Address of a data symbol in the dynamic symbol table. */
function symbol(file: Buffer, wanted: string): number | undefined {
  const sections = word(file, ELF_HEADER.sections);
  for (let i = 0; i < file.readUInt16LE(ELF_HEADER.sectionCount); i++) {
    const at = sections + 64 * i;
    if (file.readUInt32LE(at + 4) !== SHT_DYNSYM) continue;
    const names = word(file, sections + 64 * file.readUInt32LE(at + 40) + 24);
    const table = word(file, at + 24);
    for (let one = table; one < table + word(file, at + 32); one += 24) {
      const name = names + file.readUInt32LE(one);
      const found = file.toString("latin1", name, file.indexOf(0, name));
      if (found === wanted && word(file, one + 8) !== 0) return word(file, one + 8);
    }
  }
  return undefined;
}

/**
 * Puts the prologue into an executable, in place. `settings`: "NAME=value" entries for every start without `mark`, a
 * variable's name of which the first eight letters are looked at; `marked`: those for a start with it. `before`: given its
 * address, makes what runs first. Returns undefined, or why it could not be done (the file is then unchanged).
 */
export function addPrologue(
  file: Buffer,
  settings: readonly string[],
  mark: string,
  marked: readonly string[],
  before: (address: number) => Before = () => ({ bytes: [], entry: 0 }),
): string | undefined {
  const layout = layoutOf(file);
  if (typeof layout === "string") return layout;
  const { cave, entry, environ } = layout;
  const all = [...settings, ...marked];
  const strings = Buffer.from(all.map((entryText) => `${entryText}\0`).join(""), "latin1");
  const beforeOffset = (strings.length + 15) & ~15;
  const first = before(cave.address + beforeOffset);
  const codeOffset = beforeOffset + first.bytes.length;
  let address = cave.address;
  const addresses = all.map((text) => {
    const here = address;
    address += text.length + 1;
    return here;
  });
  const code = prologue(
    addresses.slice(0, settings.length),
    addresses.slice(settings.length),
    mark,
    environ,
    cave.address + codeOffset,
    entry,
  );
  if (codeOffset + code.length > cave.size) return "the padding before the code is too small";
  strings.copy(file, cave.offset);
  file.set(first.bytes, cave.offset + beforeOffset);
  code.copy(file, cave.offset + codeOffset);
  file.writeBigUInt64LE(BigInt(cave.address + beforeOffset + first.entry), ELF_HEADER.entry);
  return undefined;
}

const text32 = (text: string) => u32(Buffer.from(text, "latin1").readUInt32LE(0));

/** The machine code. rdx is ld.so's and stays untouched. */
function prologue(
  settings: readonly number[],
  marked: readonly number[],
  mark: string,
  environ: number,
  here: number,
  entry: number,
): Buffer {
  const code = new Code();
  const emit = code.emit.bind(code);
  const label = code.label.bind(code);
  const jump = (opcode: number, to: string) => code.jump([opcode], to);
  const [JE, JNE, JAE, JMP] = [0x74, 0x75, 0x73, 0xeb] as const;
  const envpOf = () => {
    emit(0x48, 0x8b, 0x04, 0x24); // mov rax,[rsp]: argc
    emit(0x48, 0x8d, 0x7c, 0xc4, 0x10); // lea rdi,[rsp+rax*8+16]: envp
  };
  /** argc … the last kept variable move down, to make room for `entries` behind them. rdi: the end of what was kept. */
  const put = (entries: readonly number[], name: string) => {
    const room = ((entries.length + 1) * 8 + 15) & ~15;
    emit(0x48, 0x89, 0xe6); // mov rsi,rsp
    emit(0x48, 0x83, 0xec, room); // sub rsp,room
    emit(0x48, 0x89, 0xe1); // mov rcx,rsp
    label(`move ${name}`);
    emit(0x48, 0x39, 0xfe); // cmp rsi,rdi
    jump(JAE, `moved ${name}`);
    emit(0x48, 0x8b, 0x06); // mov rax,[rsi]
    emit(0x48, 0x89, 0x01); // mov [rcx],rax
    emit(0x48, 0x83, 0xc6, 8); // add rsi,8
    emit(0x48, 0x83, 0xc1, 8); // add rcx,8
    jump(JMP, `move ${name}`);
    label(`moved ${name}`);
    for (const address of entries) {
      emit(0x48, 0xc7, 0x01, ...u32(address)); // mov qword [rcx],address
      emit(0x48, 0x83, 0xc1, 8); // add rcx,8
    }
    emit(0x48, 0xc7, 0x01, 0, 0, 0, 0); // mov qword [rcx],0
  };
  emit(0xf3, 0x0f, 0x1e, 0xfa); // endbr64
  envpOf();
  emit(0x48, 0x89, 0xfe); // mov rsi,rdi
  emit(0x45, 0x31, 0xc0); // xor r8d,r8d: whether the mark was there
  label("next");
  emit(0x48, 0x8b, 0x0e); // mov rcx,[rsi]
  emit(0x48, 0x85, 0xc9); // test rcx,rcx
  jump(JE, "filtered");
  emit(0x48, 0x83, 0xc6, 8); // add rsi,8
  emit(0x8b, 0x01); // mov eax,[rcx]: the auxiliary strings behind make four bytes readable
  emit(0x3d, ...text32("BUN_")); // cmp eax,"BUN_"
  jump(JE, "next");
  emit(0x3d, ...text32("NODE")); // cmp eax,"NODE"
  jump(JNE, "mark");
  emit(0x80, 0x79, 4, 0x5f); // cmp byte [rcx+4],"_"
  jump(JE, "next");
  label("mark");
  emit(0x3d, ...text32(mark.slice(0, 4))); // cmp eax,the mark's beginning
  jump(JNE, "keep");
  emit(0x81, 0x79, 4, ...text32(mark.slice(4, 8))); // cmp dword [rcx+4],its next four letters
  jump(JNE, "keep");
  emit(0x41, 0xff, 0xc0); // inc r8d
  jump(JMP, "next");
  label("keep");
  emit(0x48, 0x89, 0x0f); // mov [rdi],rcx
  emit(0x48, 0x83, 0xc7, 8); // add rdi,8
  jump(JMP, "next");
  label("filtered");
  emit(0x45, 0x85, 0xc0); // test r8d,r8d
  jump(JE, "short");
  put(marked, "marked");
  jump(JMP, "go");
  label("short");
  put(settings, "unmarked");
  label("go");
  envpOf();
  emit(0x48, 0x89, 0x3c, 0x25, ...u32(environ)); // mov [environ],rdi
  emit(0xe9, ...u32((entry - (here + code.bytes.length + 5)) | 0)); // jmp entry
  return Buffer.from(code.finish());
}
