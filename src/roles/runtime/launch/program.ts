import { errnoText } from "../../../../ffi/errno.ts";
import { Constant, type Slot } from "../../../launcher/plan.ts";
import { AT_FDCWD, type Context } from "./context.ts";
import { OPEN_DIRECTORY } from "./open-flags.ts";

const X_OK = new Constant(1, "X_OK");
const F_OK = new Constant(0, "F_OK");
const AT_EACCESS = new Constant(0x200, "AT_EACCESS");

/** Slots with the address and the length of the program's path. */
export interface Program {
  path: Slot;
  length: Slot;
}

/**
 * Looks the program up as Go's exec.LookPath does (its words are what callers match) and leaves the address of its path in
 * the slot it returns. A name with a slash is a path; any other is searched for in PATH.
 */
export function findProgram({ plan }: Context, name: string, path: string | undefined): Program {
  const program = plan.slot("program");
  const length = plan.slot("length of program");
  const size = (file: string) => new TextEncoder().encode(file).length;
  const found = plan.label("found");
  const quoted = `exec: ${JSON.stringify(name)}`;
  if (name.includes("/")) {
    const at = plan.string(name);
    plan.call("faccessat2", [AT_FDCWD, at, F_OK, AT_EACCESS], { why: `${quoted}: stat ${name}` });
    const file = plan.label("not a directory");
    plan.call("openat", [AT_FDCWD, at, OPEN_DIRECTORY], {
      tolerate: "any",
      fail: file,
    });
    plan.refuse(`${quoted}: permission denied`);
    plan.place(file);
    plan.call("faccessat2", [AT_FDCWD, at, X_OK, AT_EACCESS], { why: quoted });
    plan.set(length, size(name));
    plan.set(program, at);
    return { path: program, length };
  }
  const directories = path === undefined || name === "" ? [] : path.split(":");
  directories.forEach((directory, i) => {
    const candidate = `${directory === "" ? "." : directory}/${name}`;
    const at = plan.string(candidate);
    const next = plan.label(`PATH ${i + 1}`);
    const file = plan.label(`file ${i + 1}`);
    plan.call("faccessat2", [AT_FDCWD, at, X_OK, AT_EACCESS], { tolerate: "any", fail: next });
    plan.call("openat", [AT_FDCWD, at, OPEN_DIRECTORY], {
      tolerate: "any",
      fail: file,
      ok: next,
    });
    plan.place(file);
    plan.set(length, size(candidate));
    plan.set(program, at, { ok: found });
    plan.place(next);
  });
  plan.refuse(`${quoted}: executable file not found in $PATH`);
  plan.place(found);
  return { path: program, length };
}

/** Errors of execve that a person can do something about, each with its own line on the container's stderr. */
const EXEC_ERRORS: readonly [name: string, number: number][] = [
  ["ENOEXEC", 8],
  ["EACCES", 13],
  ["ENOENT", 2],
  ["ENOMEM", 12],
  ["E2BIG", 7],
  ["EPERM", 1],
  ["ELOOP", 40],
  ["EINVAL", 22],
];

/** execve. When it fails nobody may be listening any more, so the words also go to stderr, as runc's do. */
export function execute(
  { plan, fds }: Context,
  program: Program,
  args: readonly string[],
  env: readonly string[],
): void {
  const argv = plan.pointers(
    "argv",
    args.map((arg) => plan.string(arg)),
  );
  const envp = plan.pointers(
    "envp",
    env.map((entry) => plan.string(entry)),
  );
  const result = plan.slot("execve result");
  plan.call("execve", [program.path, argv, envp], { into: result, tolerate: "any" });
  plan.call("close", [fds.report], { tolerate: "any" });
  const out = plan.label("exec failed");
  const text = (words: string) => {
    const bytes = new TextEncoder().encode(words);
    return [plan.bytes(JSON.stringify(words), bytes), bytes.length] as const;
  };
  plan.call("write", [2, ...text("exec ")], { tolerate: "any" });
  plan.call("write", [2, program.path, program.length], { tolerate: "any" });
  for (const [name, number] of EXEC_ERRORS) {
    const next = plan.label(`not ${name}`);
    const say = plan.label(name);
    plan.compute(result, -1, 0, -number, { zero: say, ok: next });
    plan.place(say);
    plan.call("write", [2, ...text(`: ${errnoText(number)}\n`)], { tolerate: "any", ok: out });
    plan.place(next);
  }
  plan.call("write", [2, ...text(": cannot execute\n")], { tolerate: "any" });
  plan.place(out);
  plan.call("exit_group", [1]);
}
