// The waiting ELF: what an idle process becomes by execve, so that waiting costs a few KB instead of an engine's heap. It
// keeps pid, children and descriptors; when one of the descriptors is readable, a child has ended or the time is up, it
// executes the program that goes on. Nothing is read here, so nothing can be lost here.
import type { Arch } from "../../ffi/arch/index.ts";
import { AT_EMPTY_PATH } from "../../ffi/constants/fcntl.ts";
import { P_ALL, POLLIN, WEXITED, WNOWAIT } from "../../ffi/constants/poll.ts";
import { PR_SET_NAME } from "../../ffi/constants/prctl.ts";
import { SIG_SETMASK, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGTERM } from "../../ffi/constants/signal.ts";
import { WNOHANG } from "../../ffi/constants/wait.ts";
import { assemble } from "./elf.ts";
import { Plan } from "./plan.ts";

export interface Waiter {
  /** What `ps -o comm` shows; 15 bytes at most. */
  name: string;
  /** Descriptors that end the waiting when they can be read, or their other side has gone. */
  wakers: readonly number[];
  /** Milliseconds after which the waiting ends anyway; absent: never. */
  timeout?: number;
  /** What goes on: a path, and a descriptor of a program for when the path cannot be executed. */
  next: { path: string; fallback: number; argv: readonly string[]; envp: readonly string[] };
}

const IGNORED = [SIGHUP, SIGINT, SIGPIPE, SIGTERM];
const SIG_IGN = 1;
const POLLFD = 8;
/** struct siginfo_t. */
const SIGINFO = 128;
/** Between tries when nothing can be executed (memory is short). */
const RETRY_NANOSECONDS = 100_000_000;

const sigset = (...signals: number[]) => {
  const set = new Uint8Array(8);
  for (const signal of signals) set[(signal - 1) >> 3]! |= 1 << ((signal - 1) & 7);
  return set;
};

function pollfds(fds: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(POLLFD * fds.length));
  fds.forEach((fd, i) => {
    view.setInt32(POLLFD * i, fd, true);
    view.setInt16(POLLFD * i + 4, POLLIN, true);
  });
  return new Uint8Array(view.buffer);
}

function timespec(milliseconds: number): Uint8Array {
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.round((milliseconds - 1000 * seconds) * 1e6);
  return new Uint8Array(new BigInt64Array([BigInt(seconds), BigInt(nanoseconds)]).buffer);
}

/** The plan of `assembleWaiter`. Begins with every signal blocked by its predecessor: it has no handlers to run. */
export function waiterPlan(arch: Arch, { name, wakers, timeout, next }: Waiter): Plan {
  const plan = new Plan("waiter", arch);
  const ignore = new Uint8Array(32);
  ignore[0] = SIG_IGN;
  const action = plan.bytes("SIG_IGN", ignore);
  plan.call("prctl", [PR_SET_NAME, plan.string(name)], { tolerate: "any" });
  for (const signal of IGNORED) plan.call("rt_sigaction", [signal, action, 0, 8]);
  plan.call("rt_sigprocmask", [SIG_SETMASK, plan.bytes("[SIGCHLD]", sigset(SIGCHLD)), 0, 8]);

  // A child whose SIGCHLD the predecessor took and did not come to answer.
  const info = plan.slot("siginfo");
  plan.bytes("", new Uint8Array(SIGINFO));
  const ended = plan.slot("signal of an ended child");
  const wait = plan.label("wait");
  const wake = plan.label("wake");
  plan.call("waitid", [P_ALL, 0, plan.addressOf(info), WEXITED | WNOHANG | WNOWAIT, 0], {
    tolerate: ["ECHILD"],
    fail: wait,
  });
  plan.compute(info, 0xffffffff, 0, 0, { into: ended, zero: wait, ok: wake });
  plan.place(wait);
  const until = timeout === undefined ? 0 : plan.bytes(`${timeout} ms`, timespec(timeout));
  plan.call("ppoll", [plan.bytes("wakers", pollfds(wakers)), wakers.length, until, 0, 8], {
    tolerate: "any",
  });

  plan.place(wake);
  plan.call("rt_sigprocmask", [SIG_SETMASK, plan.bytes("no signals", sigset()), 0, 8]);
  const argv = plan.pointers(
    "argv",
    next.argv.map((text) => plan.string(text)),
  );
  const envp = plan.pointers(
    "envp",
    next.envp.map((text) => plan.string(text)),
  );
  const again = plan.label("try to execute");
  plan.place(again);
  plan.call("execve", [plan.string(next.path), argv, envp], { tolerate: "any" });
  plan.call("execveat", [next.fallback, plan.string(""), argv, envp, AT_EMPTY_PATH], { tolerate: "any" });
  const pause = plan.bytes("pause", timespec(RETRY_NANOSECONDS / 1e6));
  plan.call("ppoll", [0, 0, pause, 0, 8], { tolerate: "any", ok: again, zero: again, fail: again });
  return plan;
}

/** A static ELF that waits and then becomes `next`. */
export function assembleWaiter(arch: Arch, waiter: Waiter): Uint8Array {
  return assemble(waiterPlan(arch, waiter), { exitCode: 70 });
}
