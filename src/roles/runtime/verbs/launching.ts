// What create and run share: their flags, and the look into the bundle that decides about the terminal.
import { absolute, type LaunchOptions, readBundle } from "../container/launch.ts";
import type { Notify } from "../container/notify.ts";
import type { PidfdSocket } from "../container/pidfd-socket.ts";
import { preservedFds } from "../container/preserved.ts";
import type { StateStore } from "../container/state.ts";
import { RuntimeError } from "../errors.ts";
import { type FlagTable, flag, integer, type Parsed, text, wholeNumber } from "../flags.ts";
import { log } from "../log.ts";
import type { Invocation } from "./verb.ts";

export const launchFlags = {
  bundle: {
    names: ["bundle", "b"],
    kind: "text",
    about: "path to the root of the bundle directory, defaults to the current directory",
  },
  consoleSocket: {
    names: ["console-socket"],
    kind: "text",
    about:
      "path to an AF_UNIX socket which will receive a file descriptor referencing the master end of the console's pseudoterminal",
  },
  pidfdSocket: {
    names: ["pidfd-socket"],
    kind: "text",
    about: "path to an AF_UNIX socket which will receive a file descriptor referencing the init process",
  },
  pidFile: { names: ["pid-file"], kind: "text", about: "specify the file to write the process id to" },
  noPivot: {
    names: ["no-pivot"],
    kind: "boolean",
    about:
      "do not use pivot root to jail process inside rootfs.  This should be used whenever the rootfs is on top of a ramdisk",
  },
  noNewKeyring: {
    names: ["no-new-keyring"],
    kind: "boolean",
    about:
      "do not create a new session keyring for the container.  This will cause the container to inherit the calling processes session key",
  },
  preserveFds: {
    names: ["preserve-fds"],
    kind: "text",
    about: "Pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)",
    fallback: 0,
    check: wholeNumber,
  },
  plan: { names: ["plan"], kind: "boolean", about: "print the launch plan and exit; nothing is created" },
} as const satisfies FlagTable;

/** Whether what starts and goes on alone has a socket for its terminal, and only then. Throws RuntimeError. */
export function checkConsole(terminal: boolean, socket: string | undefined): void {
  if (terminal && !socket)
    throw new RuntimeError("cannot allocate tty if runc will detach without setting console socket");
  if (!terminal && socket)
    throw new RuntimeError("cannot use console socket if runc will not detach or allocate tty");
}

/** The socket that --pidfd-socket names, connected. */
export async function pidfdSocket(parsed: Parsed): Promise<PidfdSocket | undefined> {
  const path = text(parsed, "pidfdSocket");
  return path ? (await import("../container/pidfd-socket.ts")).connectPidfdSocket(path) : undefined;
}

/** The socket to which the container's program says that it is ready, where the caller has one (NOTIFY_SOCKET). */
export async function notifyOf(store: StateStore, id: string): Promise<Notify | undefined> {
  const host = process.env["NOTIFY_SOCKET"];
  if (!host) return undefined;
  const { Notify } = await import("../container/notify.ts");
  return new Notify(host, absolute(process.cwd(), store.directory(id)));
}

/** The options both verbs read off their flags, and whether config.json asks for a terminal. */
export function launchOptions({
  parsed,
  store,
  rootless,
  systemd,
}: Invocation): Omit<LaunchOptions, "waitForStart" | "console"> & { terminal: boolean } {
  const bundle = text(parsed, "bundle") ?? ".";
  const config = readBundle(bundle);
  const listenFds = Number(process.env["LISTEN_FDS"] ?? 0) || 0;
  return {
    id: parsed.rest[0]!,
    bundle,
    config,
    store,
    rootless,
    systemd,
    noPivot: flag(parsed, "noPivot"),
    noNewKeyring: flag(parsed, "noNewKeyring"),
    preserveFds: preservedFds((integer(parsed, "preserveFds") ?? 0) + listenFds),
    listenFds,
    pidFile: text(parsed, "pidFile"),
    planOnly: flag(parsed, "plan") || !!process.env["BUNKER_PLAN"],
    terminal: config.process?.terminal ?? false,
    warn: (message) => log("warning", message),
  };
}
