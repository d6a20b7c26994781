import { prepareToPart } from "../../../launcher/parting.ts";
import { connectConsole } from "../container/console-socket.ts";
import { runHooks } from "../container/hooks.ts";
import { destroyContainer, killAndWait } from "../container/kill.ts";
import { launchContainer } from "../container/launch.ts";
import { runPoststart } from "../container/poststart.ts";
import { stateDocument } from "../container/status.ts";
import { RuntimeError } from "../errors.ts";
import { flag, text } from "../flags.ts";
import { follow } from "../foreground/follow.ts";
import type { TerminalEnd } from "../foreground/terminal.ts";
import { framed } from "../frame.ts";
import { launchFlags, launchOptions, notifyOf, pidfdSocket } from "./launching.ts";
import type { Verb } from "./verb.ts";

export const run: Verb = {
  about: "create and run a container",
  usage: "<container-id>",
  flags: {
    ...launchFlags,
    detach: { names: ["detach", "d"], kind: "boolean", about: "detach from the container's process" },
    keep: { names: ["keep"], kind: "boolean", about: "do not delete the container after it exits" },
    noSubreaper: {
      names: ["no-subreaper"],
      kind: "boolean",
      about: "disable the use of the subreaper used to reap reparented processes",
    },
  },
  arguments: { min: 1, max: 1 },
  run: (invocation) =>
    framed("runc run failed", async () => {
      const { parsed, store } = invocation;
      const options = launchOptions(invocation);
      const { config, terminal, planOnly } = options;
      const detach = flag(parsed, "detach");
      const socket = text(parsed, "consoleSocket");
      if (detach && terminal && !socket)
        throw new RuntimeError("cannot allocate tty if runc will detach without setting console socket");
      if (socket && !(detach && terminal))
        throw new RuntimeError("cannot use console socket if runc will not detach or allocate tty");
      const relay = terminal && !detach && !planOnly ? await import("../foreground/terminal.ts") : undefined;
      const own = relay?.openTerminal();
      const pidfd = await pidfdSocket(parsed);
      const notify = await notifyOf(store, options.id);
      let end: Promise<number> | undefined;
      let terminalEnd: TerminalEnd | undefined;
      const born = (pid: number) => {
        end = follow(pid, own && (() => terminalEnd?.resize()));
      };
      const launched = await launchContainer({
        ...options,
        waitForStart: false,
        plain: detach,
        notify,
        born: detach ? undefined : born,
        console: own ? own.remote : socket && !planOnly ? connectConsole(socket) : undefined,
      });
      if (!launched) return 0;
      const { state } = launched;
      pidfd?.send(state.init_process_pid, "standard");
      const { hooks } = config;
      // runtime.md#lifecycle: a hook that fails stops the container, and goes on with poststop.
      const orStop = async (hooks: Promise<void>) => {
        try {
          await hooks;
        } catch (error) {
          killAndWait(state);
          await destroyContainer(store, state);
          throw error;
        }
      };
      await orStop(runHooks("startContainer", hooks?.startContainer, stateDocument(state, "created"), state));
      using ready = notify?.listen();
      if (detach) {
        launched.begin();
        await orStop(runPoststart(state));
        ready?.follow(state);
        return 0;
      }
      terminalEnd = own?.attach();
      ready?.relay();
      launched.begin();
      await orStop(runPoststart(state));
      prepareToPart();
      const code = await end!;
      await terminalEnd?.finish();
      if (!flag(parsed, "keep")) await destroyContainer(store, state);
      return code;
    }),
};
