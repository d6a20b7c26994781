// errno names and the one error type that a failed syscall becomes. man 3 errno; numbers are asm-generic's (x86-64 and arm64 agree).
import { constants } from "node:os";

/** errno number by name, e.g. ERRNO.ENOENT === 2. */
export const ERRNO: Readonly<Record<string, number>> = {
  ...constants.errno,
  ESHUTDOWN: 108,
  EUCLEAN: 117,
  ENOMEDIUM: 123,
  EMEDIUMTYPE: 124,
  EREMOTEIO: 121,
};

let names: Map<number, string> | undefined;

/** The name of an errno number: 2 → "ENOENT"; an unknown one → "errno 999". */
export function errnoName(errno: number): string {
  names ??= new Map(
    Object.entries(ERRNO)
      // Linux gives these numbers two names; the first is what strerrorname_np(3) says.
      .filter(([name]) => name !== "EWOULDBLOCK" && name !== "EDEADLOCK" && name !== "ENOTSUP")
      .map(([name, number]) => [number, name]),
  );
  return names.get(errno) ?? `errno ${errno}`;
}

const TEXT: Readonly<Record<string, string>> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ESRCH: "no such process",
  EINTR: "interrupted system call",
  EIO: "input/output error",
  ENXIO: "no such device or address",
  E2BIG: "argument list too long",
  ENOEXEC: "exec format error",
  EBADF: "bad file descriptor",
  ECHILD: "no child processes",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "cannot allocate memory",
  EACCES: "permission denied",
  EFAULT: "bad address",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EXDEV: "invalid cross-device link",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  ENFILE: "too many open files in system",
  EMFILE: "too many open files",
  ENOTTY: "inappropriate ioctl for device",
  ETXTBSY: "text file busy",
  EFBIG: "file too large",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
  EMLINK: "too many links",
  EPIPE: "broken pipe",
  ENAMETOOLONG: "file name too long",
  ENOSYS: "function not implemented",
  ENOTEMPTY: "directory not empty",
  ELOOP: "too many levels of symbolic links",
  EOPNOTSUPP: "operation not supported",
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "cannot assign requested address",
  ENETUNREACH: "network is unreachable",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  ETIMEDOUT: "connection timed out",
  EDQUOT: "disk quota exceeded",
};

/** The words of an errno as Go's syscall.Errno prints them (callers match them): 2 → "no such file or directory". */
export function errnoText(errno: number): string {
  return TEXT[errnoName(errno)] ?? errnoName(errno);
}

/** A syscall that failed: which call, with which errno, on which path or id. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  /** errno name, as Node's own errors carry it: "ENOENT". */
  readonly code: string;

  constructor(
    readonly syscall: string,
    readonly errno: number,
    readonly path?: string,
  ) {
    super(`${syscall}${path === undefined ? "" : ` ${path}`}: ${errnoText(errno)} (${errnoName(errno)})`);
    this.code = errnoName(errno);
  }
}

/** Whether an unknown thrown value carries this errno name (ours or Node's). */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && codes.includes(code);
}
