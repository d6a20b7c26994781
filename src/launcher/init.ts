// docker-init: PID 1 of a container that starts one program, hands it every signal, reaps whatever is orphaned to it, and
// ends as the program ended. A static ELF of a few KB; what tini is to Docker. `docker-init [--] PROGRAM [ARG...]`
import type { Arch } from "../../ffi/arch/index.ts";
import { assemble } from "./elf.ts";
import { type Label, Plan, type Slot } from "./plan.ts";

const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
const SIGCHLD = 17;
const WNOHANG = 1;
const SFD_CLOEXEC = 0o2000000;
const TIOCSPGRP = 0x5410;
const SIGINFO = 128;

/** The plan of `assembleInit`. */
export function initPlan(arch: Arch): Plan {
  const plan = new Plan("docker-init", arch);
  const sp = plan.stackPointer;
  const argv = plan.slot("argv");
  const envp = plan.slot("envp");
  const program = plan.slot("program");
  const child = plan.slot("child");
  const inChild = plan.label("child");
  findArguments(plan, sp, argv, envp, program);
  const all = plan.bytes("all signals", new Uint8Array(8).fill(0xff));
  const none = plan.bytes("no signals", new Uint8Array(8));
  plan.call("rt_sigprocmask", [SIG_BLOCK, all, 0, 8]);
  // clone, not clone3: seccomp profiles answer ENOSYS to the latter, since they cannot look into its struct.
  plan.call("clone", [SIGCHLD, 0, 0, 0, 0], { into: child, zero: inChild });
  watch(plan, child, all);
  plan.place(inChild);
  const own = plan.slot("own pid");
  // A process group of its own, in the foreground where there is a terminal, so that ^C reaches it and not PID 1.
  plan.call("setpgid", [0, 0], { tolerate: "any" });
  plan.call("getpid", [], { into: own });
  plan.call("ioctl", [0, TIOCSPGRP, plan.addressOf(own)], {
    tolerate: "any",
  });
  plan.call("rt_sigprocmask", [SIG_SETMASK, none, 0, 8]);
  search(plan, program, argv, envp);
  return plan;
}

/** A static ELF; works with any libc and with none. */
export function assembleInit(arch: Arch): Uint8Array {
  return assemble(initPlan(arch), { exitCode: 126 });
}

/** argv and envp from the stack: sp → argc, argv[0] …, 0, envp[0] …, 0. System V ABI, 3.4.1 */
function findArguments(plan: Plan, sp: Slot, argv: Slot, envp: Slot, program: Slot): void {
  const count = plan.slot("argc");
  const first = plan.slot("argv[1]");
  const word = plan.slot("its first letters");
  const plain = plan.label("no --");
  const dashes = plan.label("--");
  const ready = plan.label("arguments known");
  const usage = plan.label("usage");
  plan.load(count, sp);
  plan.compute(sp, -1, 0, -16, { into: argv });
  // envp = sp + 8 * (argc + 2), by doubling
  for (let i = 0; i < 3; i++) add(plan, count, count, count);
  add(plan, count, sp, envp);
  plan.compute(envp, -1, 0, -16, { into: envp });
  plan.load(first, argv);
  plan.compute(first, -1, 0, 0, { zero: usage });
  plan.load(word, first);
  plan.compute(word, 0xffffff, 0, 0x2d2d, { ok: plain, zero: dashes }); // "--\0"
  plan.place(dashes);
  plan.compute(argv, -1, 0, -8, { into: argv });
  plan.place(plain);
  plan.load(program, argv);
  plan.compute(program, -1, 0, 0, { zero: usage, ok: ready });
  plan.place(usage);
  const text = new TextEncoder().encode("usage: docker-init [--] PROGRAM [ARG...]\n");
  plan.call("write", [2, plan.bytes("usage text", text), text.length], { tolerate: "any" });
  plan.call("exit_group", [1]);
  plan.place(ready);
}

/** into = a + b, by the only arithmetic there is: a - (0 - b). */
function add(plan: Plan, a: Slot, b: Slot, into: Slot): void {
  const minus = plan.slot("minus");
  plan.compute(0, 0, 0, b, { into: minus });
  plan.compute(a, -1, 0, minus, { into });
}

/** The parent: signals go to the child, ended children are reaped, the child's end is ours. */
function watch(plan: Plan, child: Slot, all: ReturnType<Plan["bytes"]>): void {
  const signals = plan.slot("signals");
  const signal = plan.slot("signal");
  const info = plan.slot("siginfo");
  plan.bytes("", new Uint8Array(SIGINFO)); // the rest of the siginfo, right behind its first cell
  const status = plan.slot("status");
  const ended = plan.slot("ended");
  const compared = plan.slot("compared");
  const code = plan.slot("code");
  const next = plan.label("next signal");
  const reap = plan.label("reap");
  const done = plan.label("child ended");
  const exited = plan.label("exited");
  plan.call("signalfd4", [-1, all, 8, SFD_CLOEXEC], { into: signals });
  plan.place(next);
  plan.call("read", [signals, plan.addressOf(info), SIGINFO]);
  plan.compute(info, 0xffffffff, 0, 0, { into: signal });
  plan.compute(signal, -1, 0, SIGCHLD, { zero: reap });
  plan.call("kill", [child, signal], { tolerate: "any", ok: next, zero: next, fail: next });
  plan.place(reap);
  plan.call("wait4", [-1, plan.addressOf(status), WNOHANG, 0], {
    into: ended,
    zero: next,
    tolerate: ["ECHILD"],
    fail: next,
  });
  plan.compute(ended, -1, 0, child, { into: compared, zero: done, ok: reap });
  plan.place(done);
  plan.compute(status, 0x7f, 0, 0, { into: signal, zero: exited });
  plan.compute(signal, -1, 0, -128, { into: code });
  plan.call("exit_group", [code]);
  plan.place(exited);
  plan.compute(status, 0xff00, 8, 0, { into: code });
  plan.call("exit_group", [code]);
}

const SLASH = 0x2f;
const COLON = 0x3a;
/** "PATH=" as the first five bytes of a little-endian word. */
const PATH_IS = 0x3d48544150;
const FIVE_BYTES = 0xffffffffff;

/** execvp: a program with a slash as it is, any other along PATH. */
function search(plan: Plan, program: Slot, argv: Slot, envp: Slot): void {
  const at = plan.slot("at");
  const word = plan.slot("word");
  const letter = plan.slot("letter");
  const direct = plan.label("program is a path");
  const scan = plan.label("scan program");
  const find = plan.label("find PATH");
  plan.set(at, program);
  plan.place(scan);
  nextByte(plan, at, word, letter, find);
  plan.compute(letter, -1, 0, SLASH, { zero: direct, ok: scan });

  plan.place(direct);
  plan.call("execve", [program, argv, envp], { tolerate: "any" });
  exitNotFound(plan);

  plan.place(find);
  const list = plan.slot("PATH");
  const walk = plan.label("environment");
  const found = plan.label("PATH found");
  const tryEach = plan.label("try PATH");
  plan.set(at, envp);
  plan.set(list, plan.string("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
  plan.place(walk);
  const entry = plan.slot("entry");
  plan.load(entry, at);
  plan.compute(entry, -1, 0, 0, { zero: tryEach });
  plan.load(word, entry);
  plan.compute(at, -1, 0, -8, { into: at });
  plan.compute(word, FIVE_BYTES, 0, PATH_IS, { zero: found, ok: walk });
  plan.place(found);
  plan.compute(entry, -1, 0, -5, { into: list });
  plan.place(tryEach);
  tryPath(plan, list, program, argv, envp);
}

/** letter = the byte at `at`, which moves on; goes to `end` at the NUL. */
function nextByte(plan: Plan, at: Slot, word: Slot, letter: Slot, end: Label): void {
  plan.load(word, at);
  plan.compute(at, -1, 0, -1, { into: at });
  plan.compute(word, 0xff, 0, 0, { into: letter, zero: end });
}

function tryPath(plan: Plan, list: Slot, program: Slot, argv: Slot, envp: Slot): void {
  const PATH_MAX = 4096;
  const buffer = plan.bytes("candidate", new Uint8Array(2 * PATH_MAX));
  const to = plan.slot("to");
  const from = plan.slot("from");
  const word = plan.slot("word");
  const letter = plan.slot("letter");
  const last = plan.slot("last directory");
  const each = plan.label("next directory");
  const copy = plan.label("copy directory");
  const put = plan.label("put letter");
  const end = plan.label("end of PATH");
  const name = plan.label("append name");
  const copyName = plan.label("copy name");
  const whole = plan.label("candidate whole");
  const missing = plan.label("not found");
  plan.set(last, 0);
  plan.place(each);
  plan.set(to, buffer);
  plan.place(copy);
  nextByte(plan, list, word, letter, end);
  plan.compute(letter, -1, 0, COLON, { zero: name, ok: put });
  plan.place(put);
  plan.store(to, letter);
  plan.compute(to, -1, 0, -1, { into: to, ok: copy });
  plan.place(end);
  plan.set(last, 1);
  plan.place(name);
  plan.store(to, SLASH);
  plan.compute(to, -1, 0, -1, { into: to });
  plan.set(from, program);
  plan.place(copyName);
  nextByte(plan, from, word, letter, whole);
  plan.store(to, letter);
  plan.compute(to, -1, 0, -1, { into: to, ok: copyName });
  plan.place(whole);
  plan.store(to, 0);
  plan.call("execve", [buffer, argv, envp], { tolerate: "any" });
  plan.compute(last, -1, 0, 0, { zero: each, ok: missing });
  plan.place(missing);
  exitNotFound(plan);
}

/** The shell's codes: 127, whatever kept execve from it. */
function exitNotFound(plan: Plan): void {
  const text = new TextEncoder().encode("docker-init: cannot execute the program\n");
  plan.call("write", [2, plan.bytes("complaint", text), text.length], { tolerate: "any" });
  plan.call("exit_group", [127]);
}
