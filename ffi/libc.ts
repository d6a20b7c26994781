// The only dlopen: libc's syscall(2) and the address of errno. Everything else in ffi/ is built on `syscall`.
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { arch, NR, type SyscallName } from "./arch/index.ts";
import { ERRNO, SyscallError } from "./errno.ts";

const symbols = {
  // Integer arguments of a variadic function travel in the same registers as fixed ones on x86-64 and arm64 Linux.
  syscall: {
    args: [FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64],
    returns: FFIType.i64_fast,
  },
  __errno_location: { args: [], returns: FFIType.ptr },
} as const;

function open() {
  const musl = arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";
  try {
    return dlopen("libc.so.6", symbols).symbols;
  } catch {
    return dlopen(musl, symbols).symbols;
  }
}

const libc = open();
const errnoAddress = libc.__errno_location();
if (errnoAddress === null) throw new Error("libc gave no address for errno");
const errnoPointer = errnoAddress;

/** What a syscall argument may be: an integer, or memory whose address is passed (it must stay referenced during the call). */
export type SyscallArg = number | bigint | NodeJS.TypedArray | DataView | null;

function word(arg: SyscallArg | undefined): number | bigint {
  if (arg === undefined || arg === null) return 0;
  if (typeof arg === "number" || typeof arg === "bigint") return arg;
  return ptr(arg);
}

/**
 * One raw system call on this thread. Returns the kernel's value, or -errno on failure (never throws).
 * EINTR is not retried. man 2 syscall.
 */
export function rawSyscall(
  nr: number,
  a?: SyscallArg,
  b?: SyscallArg,
  c?: SyscallArg,
  d?: SyscallArg,
  e?: SyscallArg,
  f?: SyscallArg,
): number {
  const result = Number(libc.syscall(nr, word(a), word(b), word(c), word(d), word(e), word(f)));
  return result === -1 ? -read.i32(errnoPointer) : result;
}

/**
 * One system call by name, retried on EINTR. `path` is what the call is about, for the error's text.
 * Returns the kernel's value; throws SyscallError.
 */
export function syscall(
  name: SyscallName,
  path: string | undefined,
  a?: SyscallArg,
  b?: SyscallArg,
  c?: SyscallArg,
  d?: SyscallArg,
  e?: SyscallArg,
  f?: SyscallArg,
): number {
  for (;;) {
    const result = rawSyscall(NR[name], a, b, c, d, e, f);
    if (result >= 0) return result;
    if (result !== -ERRNO.EINTR!) throw new SyscallError(name, -result, path);
  }
}

const encoder = new TextEncoder();

/** A NUL-terminated copy of a string for the kernel. Throws on an embedded NUL, which would cut a path short. */
export function cstr(text: string): Uint8Array {
  if (text.includes("\0")) throw new TypeError(`embedded NUL byte in ${JSON.stringify(text)}`);
  return encoder.encode(`${text}\0`);
}
