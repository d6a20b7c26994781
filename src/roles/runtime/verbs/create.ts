import { connectConsole } from "../container/console-socket.ts";
import { launchContainer } from "../container/launch.ts";
import { text } from "../flags.ts";
import { framed } from "../frame.ts";
import { checkConsole, launchFlags, launchOptions, notifyOf, pidfdSocket } from "./launching.ts";
import type { Verb } from "./verb.ts";

export const create: Verb = {
  about: "create a container",
  usage: "<container-id>",
  flags: launchFlags,
  arguments: { min: 1, max: 1 },
  run: (invocation) =>
    framed("runc create failed", async () => {
      const { parsed } = invocation;
      const options = launchOptions(invocation);
      const socket = text(parsed, "consoleSocket");
      checkConsole(options.terminal, socket);
      const pidfd = await pidfdSocket(parsed);
      const launched = await launchContainer({
        ...options,
        waitForStart: true,
        plain: true,
        notify: await notifyOf(options.store, options.id),
        console: socket && !options.planOnly ? connectConsole(socket) : undefined,
      });
      if (launched) pidfd?.send(launched.state.init_process_pid, "standard");
      launched?.begin();
      return 0;
    }),
};
