// Hooks: programs told the container's state on stdin. config.md#posix-platform-hooks

import { O_APPEND, O_CREAT, O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { errnoText } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { open } from "../../../../ffi/file.ts";
import { exists } from "../../../../ffi/path.ts";
import type { Hook, HookKind, State } from "../../../spec/oci/runtime.ts";
import { hookFiles } from "./extensions.ts";
import type { ContainerState } from "./state.ts";

/**
 * Runs a list of hooks in order. `inside`: in that container's namespaces (createContainer, startContainer), with paths
 * as its processes see them. Throws on the first failure, in runc's words.
 */
export async function runHooks(
  kind: HookKind,
  hooks: readonly Hook[] | undefined,
  document: State,
  inside?: ContainerState,
): Promise<void> {
  for (const [index, hook] of (hooks ?? []).entries()) {
    try {
      await runHook(
        hook,
        document,
        inside && { container: inside, env: hook.env ?? inheritedEnv(kind, inside) },
      );
    } catch (error) {
      throw new Error(`error running ${kind} hook #${index}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** As `runHooks`, but goes on after a failure: for poststop, whose failures must not stop the rest. */
export async function tryHooks(
  kind: HookKind,
  hooks: readonly Hook[] | undefined,
  document: State,
  warn: (message: string) => void,
): Promise<void> {
  for (const [index, hook] of (hooks ?? []).entries()) {
    try {
      await runHook(hook, document, undefined);
    } catch (error) {
      warn(`error running ${kind} hook #${index}: ${(error as Error).message}`);
    }
  }
}

/** The container's own environment once its root is in place, the caller's before. */
function inheritedEnv(kind: HookKind, container: ContainerState): readonly string[] {
  if (kind === "startContainer") return container.config.process?.env ?? [];
  return Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
}

interface Inside {
  container: ContainerState;
  env: readonly string[];
}

async function runHook(hook: Hook, document: State, inside: Inside | undefined): Promise<void> {
  const stdin = new TextEncoder().encode(JSON.stringify(document));
  using files = openFiles(document);
  const started = inside
    ? await startInside(hook, stdin, inside, files)
    : startHere(hook, stdin, document.bundle, files);
  let timer: Timer | undefined;
  let late = false;
  if (hook.timeout)
    timer = setTimeout(() => {
      late = true;
      started.kill();
    }, hook.timeout * 1000);
  const [code, output] = await Promise.all([started.exited, started.output]);
  clearTimeout(timer);
  if (late) throw new Error(`hook ran past specified timeout of ${hook.timeout?.toFixed(1)}s`);
  if (code !== 0)
    throw new Error(
      `${typeof code === "string" ? `signal: ${code}` : `exit status ${code}`}, stdout: ${output[0]}, stderr: ${output[1]}`,
    );
}

interface Started {
  exited: Promise<number | string>;
  output: Promise<[string, string]>;
  kill(): void;
}

/** Where a hook's output goes: to a descriptor, or kept for the error's words. */
interface Output extends Disposable {
  stdout: number | "pipe";
  stderr: number | "pipe";
}

function openFiles({ annotations }: State): Output {
  const opened: Fd[] = [];
  const at = (path: string | undefined) => {
    if (path === undefined) return "pipe";
    const file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o700);
    opened.push(file);
    return file.number;
  };
  const files = hookFiles(annotations);
  return {
    stdout: at(files.stdout),
    stderr: at(files.stderr),
    [Symbol.dispose]: () => {
      for (const file of opened) file.close();
    },
  };
}

function startHere(hook: Hook, stdin: Uint8Array, bundle: string, { stdout, stderr }: Output): Started {
  const args = hook.args?.length ? hook.args : [hook.path];
  let child: Child;
  try {
    child = Bun.spawn({
      cmd: [hook.path, ...args.slice(1)],
      argv0: args[0],
      env: hook.env ? environment(hook.env) : process.env,
      cwd: exists(bundle) ? bundle : "/",
      stdin,
      stdout,
      stderr,
    });
  } catch (error) {
    const errno = (error as { errno?: number }).errno;
    throw new Error(
      `fork/exec ${hook.path}: ${errno === undefined ? (error as Error).message : errnoText(Math.abs(errno))}`,
      {
        cause: error,
      },
    );
  }
  return follow(child);
}

/** In the container's namespaces, by a launcher that joins them. */
async function startInside(
  hook: Hook,
  stdin: Uint8Array,
  { container, env }: Inside,
  { stdout, stderr }: Output,
): Promise<Started> {
  const { hookPlan } = await import("../launch/hook-plan.ts");
  const { sealedMemfd } = await import("../../../launcher/memfd.ts");
  const { assemble } = await import("../../../launcher/elf.ts");
  using program = sealedMemfd(
    "hook",
    assemble(hookPlan(hook, container, env), { reportFd: -1, exitCode: 126 }),
  );
  return follow(
    Bun.spawn({
      cmd: [`/proc/self/fd/${program.number}`],
      argv0: hook.path,
      env: {},
      stdin,
      stdout,
      stderr,
    }),
  );
}

type Child = Bun.Subprocess<Uint8Array, number | "pipe", number | "pipe">;

function follow(child: Child): Started {
  const text = async (stream: Child["stdout"]) =>
    stream instanceof ReadableStream ? new Response(stream).text() : "";
  return {
    exited: child.exited.then((code) => child.signalCode ?? code),
    output: Promise.all([text(child.stdout), text(child.stderr)]),
    kill: () => child.kill("SIGKILL"),
  };
}

/** What the hook's own entry gives it; one without `env` gets the caller's, as with runc and crun. */
function environment(entries: readonly string[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (entries ?? []).map((entry) => {
      const equals = entry.indexOf("=");
      return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}
