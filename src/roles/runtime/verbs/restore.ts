import { sendFd } from "../../../../ffi/socket.ts";
import { connectConsole } from "../container/console-socket.ts";
import { destroyContainer } from "../container/kill.ts";
import { readBundle } from "../container/launch.ts";
import { writePidFile } from "../container/pid-file.ts";
import { criuFlags, directories, sharedOptions } from "../criu/flags.ts";
import { restore as bringBack } from "../criu/restore.ts";
import { RuntimeError } from "../errors.ts";
import { flag, text } from "../flags.ts";
import { follow } from "../foreground/follow.ts";
import { launchFlags } from "./launching.ts";
import type { Verb } from "./verb.ts";

export const restore: Verb = {
  about: "restore a container from a previous checkpoint",
  usage: "<container-id>",
  flags: {
    consoleSocket: launchFlags.consoleSocket,
    imagePath: { names: ["image-path"], kind: "text", about: "path to criu image files for restoring" },
    ...criuFlags,
    bundle: { names: ["bundle", "b"], kind: "text", about: "path to the root of the bundle directory" },
    detach: { names: ["detach", "d"], kind: "boolean", about: "detach from the container's process" },
    pidFile: launchFlags.pidFile,
    noSubreaper: {
      names: ["no-subreaper"],
      kind: "boolean",
      about: "disable the use of the subreaper used to reap reparented processes",
    },
    noPivot: launchFlags.noPivot,
    lazyPages: {
      names: ["lazy-pages"],
      kind: "boolean",
      about: "use userfaultfd to lazily restore memory pages",
    },
    lsmProfile: {
      names: ["lsm-profile"],
      kind: "text",
      about: "Specify an LSM profile to be used during restore in the form of TYPE:NAME.",
    },
    lsmMountContext: {
      names: ["lsm-mount-context"],
      kind: "text",
      about: "Specify an LSM mount context to be used during restore.",
    },
  },
  arguments: { min: 1, max: 1 },
  async run({ parsed, store, criu }) {
    const bundle = text(parsed, "bundle") ?? ".";
    const config = readBundle(bundle);
    const detach = flag(parsed, "detach");
    const terminal = config.process?.terminal ?? false;
    const socket = text(parsed, "consoleSocket");
    if (terminal && detach && !socket)
      throw new RuntimeError("cannot allocate tty if runc will detach without setting console socket");
    if (socket && !(detach && terminal))
      throw new RuntimeError("cannot use console socket if runc will not detach or allocate tty");
    const [lsmProfile, lsmMountContext] = [text(parsed, "lsmProfile"), text(parsed, "lsmMountContext")];
    const relay = terminal && !detach ? await import("../foreground/terminal.ts") : undefined;
    const own = relay?.openTerminal();
    using listening = own?.remote ?? (socket ? connectConsole(socket) : undefined);
    const state = await bringBack({
      id: parsed.rest[0]!,
      bundle,
      config,
      store,
      criu,
      directories: directories(parsed, false),
      shared: {
        ...sharedOptions(parsed),
        ...(lsmProfile ? { lsmProfile } : {}),
        ...(lsmMountContext ? { lsmMountContext } : {}),
      },
      noPivot: flag(parsed, "noPivot"),
      console: (master) => {
        if (listening) sendFd(listening, master, "/dev/ptmx");
      },
    });
    const pidFile = text(parsed, "pidFile");
    if (pidFile) writePidFile(pidFile, state.init_process_pid);
    if (detach) return 0;
    const terminalEnd = own?.attach();
    const code = await follow(state.init_process_pid, terminalEnd?.resize);
    await terminalEnd?.finish();
    await destroyContainer(store, state);
    return code;
  },
};
