import { readText } from "../../../../ffi/path.ts";
import type { Config, Process } from "../../../spec/oci/runtime.ts";
import { connectConsole } from "../container/console-socket.ts";
import { checkExecutable, execInContainer, processFrom } from "../container/exec.ts";
import { writePidFile } from "../container/pid-file.ts";
import { preservedFds } from "../container/preserved.ts";
import { containerStatus } from "../container/status.ts";
import { RuntimeError } from "../errors.ts";
import { flag, integer, list, type Parsed, text, wholeNumber, wholeNumbers } from "../flags.ts";
import { framed } from "../frame.ts";
import { log } from "../log.ts";
import { pidfdSocket } from "./launching.ts";
import type { Verb } from "./verb.ts";

/** What `exec` exits with when it could not run anything. */
const FAILED = 255;

export const exec: Verb = {
  about: "execute new process inside the container",
  usage: "<container-id> <command> [command options]  || -p process.json <container-id>",
  flags: {
    consoleSocket: {
      names: ["console-socket"],
      kind: "text",
      about:
        "path to an AF_UNIX socket which will receive a file descriptor referencing the master end of the console's pseudoterminal",
    },
    pidfdSocket: {
      names: ["pidfd-socket"],
      kind: "text",
      about: "path to an AF_UNIX socket which will receive a file descriptor referencing the exec process",
    },
    cwd: { names: ["cwd"], kind: "text", about: "current working directory in the container" },
    env: { names: ["env", "e"], kind: "list", about: "set environment variables" },
    tty: { names: ["tty", "t"], kind: "boolean", about: "allocate a pseudo-TTY" },
    user: { names: ["user", "u"], kind: "text", about: "UID (format: <uid>[:<gid>])" },
    additionalGids: {
      names: ["additional-gids", "g"],
      kind: "list",
      about: "additional gids",
      check: wholeNumbers,
    },
    process: { names: ["process", "p"], kind: "text", about: "path to the process.json" },
    detach: { names: ["detach", "d"], kind: "boolean", about: "detach from the container's process" },
    pidFile: { names: ["pid-file"], kind: "text", about: "specify the file to write the process id to" },
    processLabel: {
      names: ["process-label"],
      kind: "text",
      about: "set the asm process label for the process commonly used with selinux",
    },
    apparmor: { names: ["apparmor"], kind: "text", about: "set the apparmor profile for the process" },
    noNewPrivs: {
      names: ["no-new-privs"],
      kind: "boolean",
      about: "set the no new privileges value for the process",
    },
    cap: { names: ["cap", "c"], kind: "list", about: "add a capability to the bounding set for the process" },
    preserveFds: {
      names: ["preserve-fds"],
      kind: "text",
      about: "Pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)",
      fallback: 0,
      check: wholeNumber,
    },
    cgroup: {
      names: ["cgroup"],
      kind: "list",
      about: "run the process in an (existing) sub-cgroup(s). Format is [<controller>:]<cgroup>.",
    },
    ignorePaused: { names: ["ignore-paused"], kind: "boolean", about: "allow exec in a paused container" },
    plan: { names: ["plan"], kind: "boolean", about: "print the launch plan and exit; nothing is started" },
  },
  arguments: { min: 1, max: Number.POSITIVE_INFINITY },
  run: ({ parsed, store }) =>
    framed(
      "exec failed",
      async () => {
        const state = store.read(parsed.rest[0]!);
        checkExecutable(containerStatus(store, state), flag(parsed, "ignorePaused"));
        const listenFds = Number(process.env["LISTEN_FDS"] ?? 0) || 0;
        const preserveFds = preservedFds((integer(parsed, "preserveFds") ?? 0) + listenFds);
        const document = processDocument(parsed, state.config);
        const detach = flag(parsed, "detach");
        const socket = text(parsed, "consoleSocket");
        if (detach && document.terminal && !socket)
          throw new RuntimeError("cannot allocate tty if runc will detach without setting console socket");
        if (socket && !(detach && document.terminal))
          throw new RuntimeError("cannot use console socket if runc will not detach or allocate tty");
        const planOnly = flag(parsed, "plan") || !!process.env["BUNKER_PLAN"];
        const relay =
          document.terminal && !socket && !planOnly ? await import("../foreground/terminal.ts") : undefined;
        const own = relay?.openTerminal();
        const cgroups = list(parsed, "cgroup");
        const pidfd = await pidfdSocket(parsed);
        const executed = await execInContainer({
          state,
          root: store.root,
          process: document,
          preserveFds,
          console: own?.remote ?? (socket && !planOnly ? connectConsole(socket) : undefined),
          cgroups:
            cgroups.length > 0
              ? (await import("../cgroup/sub-cgroups.ts")).subCgroups(state.cgroup_paths, cgroups)
              : undefined,
          planOnly,
          warn: (message) => log("warning", message),
        });
        if (!executed) return 0;
        pidfd?.send(executed.pid, "setns");
        const pidFile = text(parsed, "pidFile");
        if (pidFile) writePidFile(pidFile, executed.pid);
        if (detach) {
          executed.begin();
          return 0;
        }
        const { follow } = await import("../foreground/follow.ts");
        const terminalEnd = own?.attach();
        const end = follow(executed.pid, terminalEnd?.resize);
        executed.begin();
        const code = await end;
        await terminalEnd?.finish();
        return code;
      },
      FAILED,
    ),
};

/** The process to run: a document of its own, or the container's with the flags' changes. */
export function processDocument(parsed: Parsed, config: Config): Process {
  const file = text(parsed, "process");
  const args = parsed.rest.slice(1);
  if (file !== undefined) {
    return processFrom(readText(file), file);
  }
  if (args.length === 0) throw new RuntimeError("process args cannot be empty");
  const document = structuredClone(config.process) as Process;
  document.args = args;
  document.terminal = flag(parsed, "tty");
  document.consoleSize = undefined;
  const cwd = text(parsed, "cwd");
  if (cwd !== undefined) {
    if (!cwd.startsWith("/")) throw new RuntimeError("Cwd must be an absolute path");
    document.cwd = cwd;
  }
  document.apparmorProfile = text(parsed, "apparmor") ?? document.apparmorProfile;
  document.selinuxLabel = text(parsed, "processLabel") ?? document.selinuxLabel;
  const capabilities = list(parsed, "cap");
  if (capabilities.length > 0) {
    document.capabilities ??= {};
    for (const set of ["bounding", "effective", "permitted", "ambient"] as const)
      document.capabilities[set] = [...(document.capabilities[set] ?? []), ...capabilities];
  }
  document.env = [...(document.env ?? []), ...list(parsed, "env")];
  if (parsed.flags["noNewPrivs"] !== undefined) document.noNewPrivileges = flag(parsed, "noNewPrivs");
  const user = text(parsed, "user");
  if (user !== undefined) {
    const match = /^(\d+)(?::(\d+))?$/.exec(user);
    if (!match)
      throw new RuntimeError(`parsing ${JSON.stringify(user)} as int for uid failed: invalid syntax`);
    document.user = {
      ...document.user,
      uid: Number(match[1]),
      gid: match[2] === undefined ? document.user.gid : Number(match[2]),
    };
  }
  const groups = list(parsed, "additionalGids").map(Number);
  if (groups.length > 0)
    document.user = {
      ...document.user,
      additionalGids: [...(document.user.additionalGids ?? []), ...groups],
    };
  return document;
}
