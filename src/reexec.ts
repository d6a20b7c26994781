// Starting over with a clean environment: for variables that Bun's engine has already obeyed when our first line runs.
import { ptr } from "bun:ffi";
import { cstr, syscall } from "../ffi/libc.ts";

function pointers(strings: readonly Uint8Array[]): BigUint64Array {
  return new BigUint64Array([...strings.map((bytes) => BigInt(ptr(bytes))), 0n]);
}

/** execve(2) of this same program with the same arguments and only `environment`. Returns only by throwing SyscallError. */
export function startOver(environment: Readonly<Record<string, string | undefined>>): never {
  const argv = [process.argv0, ...process.argv.slice(2)].map(cstr);
  const envp = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [cstr(`${name}=${value}`)],
  );
  syscall("execve", process.execPath, cstr(process.execPath), pointers(argv), pointers(envp));
  throw new Error("execve returned");
}
