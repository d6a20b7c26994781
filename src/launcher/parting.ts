// How a short life ends. A process of this size takes 1.5–2 ms to die, for the kernel takes its memory apart before it
// tells the parent, who waits. So the last thing done is a clone that shares the memory (CLONE_VM): the process itself then
// ends at once, and the memory goes with the clone, which waits for that end and for nothing else. What the clone could
// hold up is let go of before it exists: descriptors, the current directory, signals.
//
// Only for programs whose callers reap what is left to them (a shim, conmon, containerd, an init): the clone becomes theirs.
import { CFunction, type Pointer, toArrayBuffer } from "bun:ffi";
import { arch, NR } from "../../ffi/arch/index.ts";
import { NR as X64 } from "../../ffi/arch/x64.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../ffi/constants/mman.ts";
import { POLLIN } from "../../ffi/constants/poll.ts";
import { CLONE_VM } from "../../ffi/constants/sched.ts";
import { SIG_SETMASK } from "../../ffi/constants/signal.ts";
import { rawSyscall } from "../../ffi/libc.ts";

const PAGE = 4096;

const u32 = (n: number) => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, (n >>> 24) & 0xff];
const EAX = 0xb8;
const EDX = 0xba;
const ESI = 0xbe;
const EDI = 0xbf;
const mov = (register: number, value: number) => [register, ...u32(value)];
const zero = { edx: [0x31, 0xd2], esi: [0x31, 0xf6], edi: [0x31, 0xff] } as const;
const syscall = (nr: number) => [...mov(EAX, nr), 0x0f, 0x05];
const push = (byte: number) => [0x6a, byte & 0xff];
const exit = syscall(X64.exit_group);

/** void parting(int code), System V ABI. It never returns. */
function machineCode(): number[] {
  const out = [0x89, 0xdf, ...exit]; // mov edi,ebx
  const clone = [
    // pollfd { fd: 0, events: POLLIN } as one word on the stack, which both have
    ...[0x48, EAX, 0, 0, 0, 0, ...u32(POLLIN)], // mov rax,events<<32
    ...[0x50, 0x49, 0x89, 0xe4], // push rax; mov r12,rsp
    ...[...mov(EDI, CLONE_VM), ...zero.esi, ...zero.edx], // no stack of its own: neither side uses it any more
    ...[0x4d, 0x31, 0xd2, 0x4d, 0x31, 0xc0], // xor r10,r10; xor r8,r8
    ...[...syscall(X64.clone), 0x85, 0xc0], // test eax,eax
    ...[0x74, out.length], // jz child
  ];
  const child = [
    ...[0x4c, 0x89, 0xe7, ...mov(ESI, 1), ...mov(EDX, -1), ...syscall(X64.poll)], // mov rdi,r12
    ...[...zero.edi, ...exit],
  ];
  return [
    ...[0x89, 0xfb], // mov ebx,edi
    ...[...push(0x2f), 0x48, 0x89, 0xe7, ...syscall(X64.chdir)], // push "/"; mov rdi,rsp
    // Handlers of signals would run in memory that two processes have.
    ...[...push(-1), 0x48, 0x89, 0xe6, ...mov(EDI, SIG_SETMASK), ...zero.edx], // push all signals; mov rsi,rsp
    ...[0x41, 0xba, ...u32(8), ...syscall(X64.rt_sigprocmask)], // mov r10d,8
    ...[...zero.edi, ...mov(ESI, -1), ...zero.edx, ...syscall(X64.close_range)],
    ...[...syscall(X64.getpid), 0x89, 0xc7, ...zero.esi, ...syscall(X64.pidfd_open)], // mov edi,eax
    ...[0x85, 0xc0, 0x75, clone.length], // test eax,eax; jnz out: it is descriptor 0, or the kernel is before 5.9
    ...clone,
    ...out,
    ...child,
  ];
}

let leave: ((code: number) => void) | undefined;

/** Makes ready for `part`, for who has time now and none then. */
export function prepareToPart(): void {
  if (leave || arch !== "x64") return;
  const page = rawSyscall(NR.mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page < 0) return;
  new Uint8Array(toArrayBuffer(page as Pointer, 0, PAGE)).set(machineCode());
  if (rawSyscall(NR.mprotect, page, PAGE, PROT_READ | PROT_EXEC) === 0)
    leave = CFunction({ ptr: page as Pointer, args: ["i32"], returns: "void" }) as unknown as typeof leave;
}

/** Ends this process with an exit code, at once. Nothing that is still to be written is written. */
export function part(code: number): never {
  prepareToPart();
  leave?.(code);
  for (;;) rawSyscall(NR.exit_group, code);
}
