// `runc start ID` and `runc delete [--force] ID` in their plain cases, as the executable's first instructions: before libc's start
// code, long before JavaScript. Who created the container has written down what is to be done
// (src/roles/runtime/container/plain.ts); here it is looked whether everything is as it was then, and done. Every doubt (another
// word on the command line, a process that lives, a cgroup that is not empty, a file more in the directory) ends at `slow`: the
// registers and the stack are as they were, and the program starts as ever. Nothing done here before a doubt keeps it from
// doing the same again.
//
//   start   open the start FIFO's other name for writing (the container's first process still has it open), write the byte,
//           remove both names
//   delete  the process has ended (no /proc/PID/stat, or a zombie), its cgroups can be removed, and beside state.json
//           nothing is left: remove that
//
// Registers: rbp = the stack pointer at entry, r15 = rdx at entry (ld.so's), rbx = the next argument, later the container's
// directory, r12 = --root, r13 = --log. System V ABI, x86-64, 3.4.1; the direction flag is clear.
import { NR, O_DIRECTORY, O_NOFOLLOW } from "../ffi/arch/x64.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
} from "../ffi/constants/fcntl.ts";
import { ERRNO } from "../ffi/errno.ts";
import { Code, u32 } from "../src/launcher/machine/code.ts";
import { PLAIN_DELETE, PLAIN_START, START, STATE } from "../src/roles/runtime/container/names.ts";
import type { Before } from "./entry.ts";

/** On the stack: a path, then a file's or directory's content, then the beginning of /proc/PID/stat. */
const ROOM = { path: 0, content: 0x1000, stat: 0x3000, all: 0x4000 } as const;
const PATH_LIMIT = 4000;
const CONTENT = ROOM.stat - ROOM.content;
const STAT = 64;

/** What getdents64 says of a directory with these names alone: a header of 19 bytes, the name, a NUL, in eights. man 2 getdents */
const listed = (...names: string[]) =>
  [".", "..", ...names].reduce((size, name) => size + ((19 + name.length + 1 + 7) & ~7), 0);

const [JE, JNE, JAE, JBE, JMP] = [[0x74], [0x75], [0x73], [0x76], [0xeb]] as const;
const FAR = {
  je: [0x0f, 0x84],
  jne: [0x0f, 0x85],
  jb: [0x0f, 0x82],
  js: [0x0f, 0x88],
  jle: [0x0f, 0x8e],
  jmp: [0xe9],
  call: [0xe8],
} as const;

/** The strings and the code for `address`; what comes behind them in memory is where it goes on. */
export function plainVerbs(address: number): Before {
  const strings: number[] = [];
  const places = new Map<string, number>();
  /** The address of a NUL-terminated string. */
  const string = (text: string): number => {
    const known = places.get(text);
    if (known !== undefined) return known;
    const place = address + strings.length;
    places.set(text, place);
    strings.push(...Buffer.from(`${text}\0`, "latin1"));
    return place;
  };
  // The code's own length does not depend on where the strings are, so they can stand before it.
  const c = code(string);
  return { bytes: [...strings, ...c.finish()], entry: strings.length };
}

function code(string: (text: string) => number): Code {
  const c = new Code();
  const emit = c.emit.bind(c);
  const esi = (value: number) => emit(0xbe, ...u32(value));
  /** mov reg,value; where it can be as push value; pop reg, which is shorter. */
  const set = (register: 0 | 2 | 7, value: number) => {
    if (value >= -128 && value < 128) emit(0x6a, value & 0xff, 0x58 + register);
    else emit(0xb8 + register, ...u32(value));
  };
  const eax = (value: number) => set(0, value);
  const edx = (value: number) => set(2, value);
  const edi = (value: number) => set(7, value);
  const stack = (modrm: number, offset: number) => emit(0x48, 0x8d, modrm, 0x24, ...u32(offset)); // lea reg,[rsp+offset]
  const RSI = 0xb4;
  const syscall = (name: keyof typeof NR) => {
    eax(NR[name]);
    emit(0x0f, 0x05);
  };
  const doubtIf = (condition: keyof typeof FAR) => c.far(FAR[condition], "slow");
  const doubtUnless = (byte: number[]) => {
    emit(...byte);
    doubtIf("jne");
  };
  /** test eax,eax: a system call's result. */
  const checkResult = () => {
    emit(0x85, 0xc0);
    doubtIf("js");
  };
  /** Whether the string at rdi is this one: the flag is set for `je`. */
  const same = (text: string) => {
    esi(string(text));
    c.far(FAR.call, "same");
  };
  /** rdi = the next argument, without taking it. */
  const argument = () => c.far(FAR.call, "argument");
  const taken = () => emit(0x48, 0x83, 0xc3, 8); // add rbx,8
  const remove = (name: string) => {
    esi(string(name));
    c.far(FAR.call, "remove");
  };
  /** openat in the container's directory. */
  const openThere = (name: string, flags: number) => {
    esi(string(name));
    edx(flags | O_CLOEXEC | O_NOFOLLOW);
    c.far(FAR.call, "open there");
  };
  const leave = () => {
    emit(0x31, 0xff); // xor edi,edi
    syscall("exit_group");
  };

  emit(0xf3, 0x0f, 0x1e, 0xfa); // endbr64
  emit(0x48, 0x89, 0xe5, 0x49, 0x89, 0xd7); // mov rbp,rsp; mov r15,rdx
  // argv[0] is `runc` or ends with `/runc`.
  emit(0x48, 0x8b, 0x7d, 0x08, 0x48, 0x85, 0xff); // mov rdi,[rbp+8]; test rdi,rdi
  doubtIf("je");
  emit(0x31, 0xc0, 0x48, 0x83, 0xc9, 0xff, 0xf2, 0xae); // xor eax,eax; or rcx,-1; repne scasb
  emit(0x48, 0xf7, 0xd1, 0x48, 0x83, 0xf9, 5); // not rcx; cmp rcx,5: with its NUL
  doubtIf("jb");
  doubtUnless([0x81, 0x7f, 0xfb, ...Buffer.from("runc", "latin1")]); // cmp dword [rdi-5],"runc"
  emit(0x48, 0x83, 0xf9, 5); // cmp rcx,5
  c.jump(JE, "named");
  doubtUnless([0x80, 0x7f, 0xfa, 0x2f]); // cmp byte [rdi-6],"/"
  c.label("named");
  emit(0x48, 0x8d, 0x5d, 0x10); // lea rbx,[rbp+16]: argv[1]
  emit(0x45, 0x31, 0xe4, 0x45, 0x31, 0xed, 0x45, 0x31, 0xf6); // xor r12d,r12d; xor r13d,r13d; xor r14d,r14d

  c.label("word");
  argument();
  taken();
  for (const [text, label] of [
    ["--root", "root"],
    ["--log", "log"],
    ["--log-format", "format"],
    ["--systemd-cgroup", "word"],
    ["start", "id"],
    ["delete", "delete"],
  ] as const) {
    same(text);
    c.far(FAR.je, label);
  }
  doubtIf("jmp");
  c.label("root");
  emit(0x4c, 0x8b, 0x23); // mov r12,[rbx]
  c.jump(JMP, "value");
  c.label("log");
  emit(0x4c, 0x8b, 0x2b); // mov r13,[rbx]
  c.label("value");
  argument();
  taken();
  c.far(FAR.jmp, "word");
  c.label("format");
  argument();
  same("json"); // what programs ask for; there is not the room for every spelling
  c.jump(JE, "value");
  doubtIf("jmp");

  c.label("delete");
  emit(0x41, 0xff, 0xc6); // inc r14d
  argument();
  same("--force");
  c.jump(JNE, "id");
  taken();
  c.label("id");
  argument();
  doubtUnless([0x48, 0x83, 0x7b, 8, 0]); // cmp qword [rbx+8],0: nothing behind it
  emit(0x8a, 0x07, 0x84, 0xc0); // mov al,[rdi]; test al,al
  doubtIf("je");
  for (const first of [".", "-"]) {
    emit(0x3c, first.charCodeAt(0)); // cmp al,first
    doubtIf("je");
  }
  emit(0x48, 0x89, 0xfe); // mov rsi,rdi
  c.label("letter");
  emit(0xac, 0x3c, 0x2f); // lodsb; cmp al,"/"
  doubtIf("je");
  emit(0x84, 0xc0); // test al,al
  c.jump(JNE, "letter");

  // <root>/<id>, as a path and open.
  emit(0x48, 0x81, 0xec, ...u32(ROOM.all)); // sub rsp,room
  emit(0x48, 0x89, 0xe7); // mov rdi,rsp
  emit(0x4c, 0x8d, 0x84, 0x24, ...u32(PATH_LIMIT)); // lea r8,[rsp+limit]
  emit(0x4c, 0x89, 0xe6, 0x4d, 0x85, 0xe4); // mov rsi,r12; test r12,r12
  c.jump(JNE, "rooted");
  esi(string("/run/runc"));
  c.label("rooted");
  emit(0x80, 0x3e, 0); // cmp byte [rsi],0
  doubtIf("je");
  c.far(FAR.call, "append");
  emit(0xb0, 0x2f, 0xaa, 0x48, 0x8b, 0x33); // mov al,"/"; stosb; mov rsi,[rbx]
  c.far(FAR.call, "append");
  edi(AT_FDCWD);
  emit(0x48, 0x89, 0xe6); // mov rsi,rsp
  edx(O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  syscall("openat");
  checkResult();
  emit(0x89, 0xc3); // mov ebx,eax
  emit(0x45, 0x85, 0xf6); // test r14d,r14d
  c.far(FAR.jne, "end");

  // start. A reader is there when it can be opened for writing alone; written is where a reader of our own stands beside it,
  // so that its end in this moment is no SIGPIPE.
  openThere(PLAIN_START, O_WRONLY | O_NONBLOCK);
  openThere(PLAIN_START, O_RDWR | O_NONBLOCK);
  emit(0x41, 0x89, 0xc4); // mov r12d,eax
  c.far(FAR.call, "open the log");
  emit(0x44, 0x89, 0xe7); // mov edi,r12d
  esi(string(""));
  edx(1);
  syscall("write");
  doubtUnless([0x83, 0xf8, 1]); // cmp eax,1
  remove(START);
  remove(PLAIN_START);
  leave();

  c.label("end");
  openThere(PLAIN_DELETE, 0);
  emit(0x89, 0xc7); // mov edi,eax
  stack(RSI, ROOM.content);
  edx(CONTENT);
  syscall("read");
  emit(0x85, 0xc0); // test eax,eax
  doubtIf("jle");
  emit(0x3d, ...u32(CONTENT)); // cmp eax,size: perhaps not all of it
  doubtIf("je");
  emit(0x49, 0x89, 0xf4, 0x4c, 0x8d, 0x34, 0x06); // mov r12,rsi; lea r14,[rsi+rax]: the first string, the end
  doubtUnless([0x41, 0x80, 0x7e, 0xff, 0]); // cmp byte [r14-1],0
  edi(AT_FDCWD);
  edx(O_CLOEXEC);
  syscall("openat");
  emit(0x83, 0xf8, -ERRNO["ENOENT"]! & 0xff); // cmp eax,-ENOENT
  c.jump(JE, "ended");
  checkResult();
  emit(0x89, 0xc7); // mov edi,eax
  stack(RSI, ROOM.stat);
  edx(STAT);
  syscall("read");
  emit(0x83, 0xf8, -ERRNO["ESRCH"]! & 0xff); // cmp eax,-ESRCH
  c.jump(JE, "ended");
  checkResult();
  emit(0x48, 0x8d, 0x4c, 0x06, 0xfe); // lea rcx,[rsi+rax-2]
  c.label("bracket"); // the last one: a name may hold some
  emit(0x48, 0xff, 0xc9, 0x48, 0x39, 0xf1); // dec rcx; cmp rcx,rsi
  doubtIf("jb");
  emit(0x80, 0x39, 0x29); // cmp byte [rcx],")"
  c.jump(JNE, "bracket");
  emit(0x8a, 0x41, 2, 0x3c, 0x5a); // mov al,[rcx+2]; cmp al,"Z"
  c.jump(JE, "ended");
  doubtUnless([0x3c, 0x58]); // cmp al,"X"
  c.label("ended");
  c.far(FAR.call, "open the log");
  c.label("next"); // r12: in a string that is done with
  emit(0x41, 0x8a, 0x04, 0x24, 0x49, 0xff, 0xc4, 0x84, 0xc0); // mov al,[r12]; inc r12; test al,al
  c.jump(JNE, "next");
  emit(0x4d, 0x39, 0xf4); // cmp r12,r14
  c.jump(JAE, "emptied");
  emit(0x4c, 0x89, 0xe6); // mov rsi,r12
  c.far(FAR.call, "remove directory");
  c.jump(JE, "next");
  emit(0x83, 0xf8, -ERRNO["ENOENT"]! & 0xff); // cmp eax,-ENOENT
  c.jump(JE, "next");
  doubtIf("jmp");
  c.label("emptied");
  remove(START);
  remove(PLAIN_START);
  emit(0x89, 0xdf); // mov edi,ebx
  stack(RSI, ROOM.content);
  edx(CONTENT);
  syscall("getdents64");
  emit(0x3d, ...u32(listed(STATE, PLAIN_DELETE))); // cmp eax,size
  doubtIf("jne");
  remove(STATE);
  remove(PLAIN_DELETE);
  emit(0x48, 0x89, 0xe6); // mov rsi,rsp
  c.far(FAR.call, "remove directory");
  doubtIf("jne");
  leave();

  // rdi = the next argument, without taking it.
  c.label("argument");
  emit(0x48, 0x8b, 0x3b, 0x48, 0x85, 0xff); // mov rdi,[rbx]; test rdi,rdi
  doubtIf("je");
  emit(0xc3); // ret

  // openat in the container's directory.
  c.label("open there");
  emit(0x89, 0xdf); // mov edi,ebx
  syscall("openat");
  checkResult();
  emit(0xc3); // ret

  // Removes the directory at rsi; the flag is set for `je` when it has.
  c.label("remove directory");
  edi(AT_FDCWD);
  edx(AT_REMOVEDIR);
  syscall("unlinkat");
  emit(0x85, 0xc0, 0xc3); // test eax,eax; ret

  // Compares the strings at rdi and rsi; rdi stays.
  c.label("same");
  emit(0x57); // push rdi
  c.label("compare");
  emit(0xac, 0x3a, 0x07); // lodsb; cmp al,[rdi]
  c.jump(JNE, "compared");
  emit(0x48, 0xff, 0xc7, 0x84, 0xc0); // inc rdi; test al,al
  c.jump(JNE, "compare");
  c.label("compared");
  emit(0x5f, 0xc3); // pop rdi; ret

  // Copies the string at rsi to rdi, up to r8; rdi: its NUL.
  c.label("append");
  emit(0x4c, 0x39, 0xc7); // cmp rdi,r8
  c.jump(JBE, "room");
  doubtIf("jmp");
  c.label("room");
  emit(0xac, 0xaa, 0x84, 0xc0); // lodsb; stosb; test al,al
  c.jump(JNE, "append");
  emit(0x48, 0xff, 0xcf, 0xc3); // dec rdi; ret

  // Removes the name at rsi from the container's directory; it need not be there.
  c.label("remove");
  emit(0x89, 0xdf, 0x31, 0xd2); // mov edi,ebx; xor edx,edx
  syscall("unlinkat");
  emit(0xc3); // ret

  // --log: made, as every verb makes it.
  c.label("open the log");
  emit(0x4d, 0x85, 0xed); // test r13,r13
  c.jump(JE, "opened");
  emit(0x41, 0x80, 0x7d, 0, 0); // cmp byte [r13],0
  c.jump(JE, "opened");
  edi(AT_FDCWD);
  emit(0x4c, 0x89, 0xee); // mov rsi,r13
  edx(O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  emit(0x41, 0xba, ...u32(0o644)); // mov r10d,mode
  syscall("openat");
  checkResult();
  c.label("opened");
  emit(0xc3); // ret

  c.label("slow");
  emit(0x48, 0x89, 0xec, 0x4c, 0x89, 0xfa); // mov rsp,rbp; mov rdx,r15
  return c;
}
