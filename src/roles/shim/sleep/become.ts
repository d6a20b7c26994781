// execve: the shim becomes the waiting ELF, which in turn becomes the shim (this version or another). pid, children and the
// descriptors that are kept stay what they are.
import { ptr } from "bun:ffi";
import { arch } from "../../../../ffi/arch/index.ts";
import { AT_EMPTY_PATH, F_SETFD, FD_CLOEXEC, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { SIG_SETMASK } from "../../../../ffi/constants/signal.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import { sealedMemfd } from "../../../launcher/memfd.ts";
import { assembleWaiter } from "../../../launcher/waiter.ts";
import { ownArguments } from "../arguments.ts";
import { RESUME } from "./state.ts";

export interface Become {
  state: Fd;
  /** Descriptors that live on, and those of them that wake. */
  keep: readonly number[];
  wakers: readonly number[];
  timeout?: number;
  /** The program to wake as; this one by default. */
  program?: string;
}

/** As containerd's own shim is called in /proc/PID/comm. */
const COMM = "containerd-shim";
const CLOSE_RANGE_CLOEXEC = 4;
const ALL_FDS = 0xffffffff;

function pointers(strings: readonly Uint8Array[]): BigUint64Array {
  return new BigUint64Array([...strings.map((bytes) => BigInt(ptr(bytes))), 0n]);
}

const keepOpen = (fd: number, on: boolean) =>
  syscall("fcntl", `descriptor ${fd}`, fd, F_SETFD, on ? 0 : FD_CLOEXEC);

/** Returns only by throwing, with everything as before. Call it when nothing is under way in this process. */
export function become({ state, keep, wakers, timeout, program }: Become): never {
  const argv = ownArguments();
  // Should the path be gone or be no program by then, this one goes on.
  using self = open("/proc/self/exe", O_PATH);
  // What is kept stands beside the state, for a version that cannot read the state and must hand it on.
  const resume = `${state.number}:${self.number}:${keep.join()}`;
  const environment = Object.entries({ ...process.env, [RESUME]: resume });
  const envp = environment.map(([name, value]) => `${name}=${value}`);
  using waiter = sealedMemfd(
    "bunker-shim",
    assembleWaiter(arch, {
      name: COMM,
      wakers,
      timeout,
      next: { path: program ?? process.execPath, fallback: self.number, argv, envp },
    }),
  );
  const living = [...keep, state.number, self.number];
  const words = argv.map(cstr);
  const before = new BigUint64Array(1);
  syscall("close_range", "descriptors", 3, ALL_FDS, CLOSE_RANGE_CLOEXEC);
  try {
    for (const fd of living) keepOpen(fd, true);
    syscall(
      "rt_sigprocmask",
      undefined,
      SIG_SETMASK,
      new BigUint64Array([~0n & 0xffffffffffffffffn]),
      before,
      8,
    );
    syscall(
      "execveat",
      "the waiting program",
      waiter.number,
      cstr(""),
      pointers(words),
      pointers([]),
      AT_EMPTY_PATH,
    );
    throw new Error("execveat returned");
  } catch (error) {
    syscall("rt_sigprocmask", undefined, SIG_SETMASK, before, null, 8);
    for (const fd of living) keepOpen(fd, false);
    throw error;
  }
}

/** This version cannot go on with the state: the one before, whose program is still open, can. */
export function giveBack(state: number, before: number, keep: readonly number[]): never {
  // Bun has marked everything that it inherited.
  for (const fd of [state, ...keep]) keepOpen(fd, true);
  const argv = ownArguments().map(cstr);
  const envp = Object.entries({ ...process.env, [RESUME]: String(state) });
  const environment = envp.map(([name, value]) => cstr(`${name}=${value}`));
  syscall(
    "execveat",
    "the version before",
    before,
    cstr(""),
    pointers(argv),
    pointers(environment),
    AT_EMPTY_PATH,
  );
  throw new Error("execveat returned");
}
