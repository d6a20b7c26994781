// The loop on x86-64. Registers: rbx = current record; the rest is scratch. No stack is used.
import { NR } from "../../../ffi/arch/x64.ts";
import { Code, u32 } from "./code.ts";
import { FIRST_RECORD, HEAD, HEAD_ADDRESS, RECORD } from "./layout.ts";

const JZ = [0x74];
const JNZ = [0x75];
const JS = [0x78];
const JMP = [0xeb];
const JMP_FAR = [0xe9];
const JAE = [0x73];
const JECXZ = [0x67, 0xe3];

// For each argument register: ModRM bytes of `mov reg,[rbx+disp8]` and `mov reg,[reg]`, REX included.
const ARGUMENTS = [
  { load: [0x48, 0x8b, 0x7b], follow: [0x48, 0x8b, 0x3f] }, // rdi
  { load: [0x48, 0x8b, 0x73], follow: [0x48, 0x8b, 0x36] }, // rsi
  { load: [0x48, 0x8b, 0x53], follow: [0x48, 0x8b, 0x12] }, // rdx
  { load: [0x4c, 0x8b, 0x53], follow: [0x4d, 0x8b, 0x12] }, // r10
  { load: [0x4c, 0x8b, 0x43], follow: [0x4d, 0x8b, 0x00] }, // r8
  { load: [0x4c, 0x8b, 0x4b], follow: [0x4d, 0x8b, 0x09] }, // r9
] as const;

/** The machine code of the loop, byte by byte: a macro of elf.ts. */
export function loop(): number[] {
  const c = new Code();
  c.emit(0xbe, ...u32(HEAD_ADDRESS)); // mov esi,head
  c.emit(0x48, 0x89, 0x66, HEAD.stack); // mov [rsi+stack],rsp
  c.emit(0xbb, ...u32(FIRST_RECORD)); // mov ebx,first
  c.label("record");
  ARGUMENTS.forEach(({ load, follow }, i) => {
    c.emit(...load, RECORD.args + 8 * i);
    c.emit(0xf6, 0x43, RECORD.references, 1 << i); // test byte [rbx+references], 1<<i
    c.emit(...JZ, follow.length);
    c.emit(...follow);
  });
  c.emit(0x48, 0x8b, 0x03); // mov rax,[rbx]
  c.emit(0x48, 0x85, 0xc0); // test rax,rax
  c.jump(JS, "compute");
  c.emit(0x0f, 0x05); // syscall
  c.emit(0x48, 0x3d, ...u32(-4095)); // cmp rax,-4095
  c.jump(JAE, "failed");
  c.label("done");
  c.emit(0x8b, 0x4b, RECORD.into); // mov ecx,[rbx+into]
  c.jump(JECXZ, "choose");
  c.emit(0x48, 0x89, 0x01); // mov [rcx],rax
  c.label("choose");
  c.emit(0x8b, 0x4b, RECORD.ok); // mov ecx,[rbx+ok]
  c.emit(0x48, 0x85, 0xc0); // test rax,rax
  c.jump(JNZ, "go");
  c.emit(0x8b, 0x4b, RECORD.zero); // mov ecx,[rbx+zero]
  c.label("go");
  c.jump(JECXZ, "next");
  c.emit(0x89, 0xcb); // mov ebx,ecx
  c.far(JMP_FAR, "record");
  c.label("next");
  c.emit(0x83, 0xc3, RECORD.size); // add ebx,size
  c.far(JMP_FAR, "record");

  c.label("compute"); // rax = ((rdi & rsi) >> dl) - r10
  c.emit(0x48, 0x89, 0xf8); // mov rax,rdi
  c.emit(0x48, 0x21, 0xf0); // and rax,rsi
  c.emit(0x89, 0xd1); // mov ecx,edx
  c.emit(0x48, 0xd3, 0xe8); // shr rax,cl
  c.emit(0x4c, 0x29, 0xd0); // sub rax,r10
  c.jump(JMP, "done");

  c.label("failed");
  c.emit(0x89, 0xc2); // mov edx,eax
  c.emit(0xf7, 0xda); // neg edx: errno
  c.emit(0x83, 0xfa, 4); // cmp edx,EINTR
  c.jump(JNZ, "tolerate");
  c.far(JMP_FAR, "record"); // the same record again
  c.label("tolerate");
  c.emit(0x48, 0x8b, 0x73, RECORD.tolerate); // mov rsi,[rbx+tolerate]
  c.label("next errno");
  c.emit(0x40, 0x84, 0xf6); // test sil,sil
  c.jump(JZ, "fatal");
  c.emit(0x40, 0x80, 0xfe, 0xff); // cmp sil,ANY
  c.jump(JZ, "tolerated");
  c.emit(0x40, 0x38, 0xd6); // cmp sil,dl
  c.jump(JZ, "tolerated");
  c.emit(0x48, 0xc1, 0xee, 8); // shr rsi,8
  c.jump(JMP, "next errno");
  c.label("tolerated");
  c.emit(0x8b, 0x4b, RECORD.into); // mov ecx,[rbx+into]
  c.jump(JECXZ, "skip");
  c.emit(0x48, 0x89, 0x01); // mov [rcx],rax: -errno
  c.label("skip");
  c.emit(0x8b, 0x4b, RECORD.fail); // mov ecx,[rbx+fail]
  c.jump(JMP, "go");

  c.label("fatal");
  c.emit(0xbe, ...u32(HEAD_ADDRESS + HEAD.report)); // mov esi,&report
  c.emit(0x89, 0x1e); // mov [rsi],ebx: the record
  c.emit(0x89, 0x56, 4); // mov [rsi+4],edx
  c.emit(0x8b, 0x7e, HEAD.reportFd - HEAD.report); // mov edi,[rsi+reportFd]
  c.emit(0xba, ...u32(8)); // mov edx,8
  c.emit(0xb8, ...u32(NR.write)); // mov eax,write
  c.emit(0x0f, 0x05); // syscall
  c.emit(0xbe, ...u32(HEAD_ADDRESS)); // mov esi,head
  c.emit(0x8b, 0x7e, HEAD.exitCode); // mov edi,[rsi+exitCode]
  c.emit(0xb8, ...u32(NR.exit_group)); // mov eax,exit_group
  c.emit(0x0f, 0x05); // syscall
  return c.finish();
}
