// Which file system something lies on. man 2 statfs.
import { NR } from "./arch/index.ts";
import { cstr, rawSyscall } from "./libc.ts";

/** f_type of the file system at a path (a number of ffi/constants/magic.ts); 0 when nothing is there. */
export function fileSystemAt(path: string): number {
  // struct statfs is 120 bytes and begins with f_type.
  const buffer = new Uint32Array(30);
  return rawSyscall(NR.statfs, cstr(path), buffer) === 0 ? buffer[0]! : 0;
}
