import type { ContainerInspect } from "../../../spec/engine/container.ts";
import type { Command } from "../command.ts";
import { ExitError } from "../errors.ts";
import { forwardSignals } from "../session/signals.ts";
import { stream } from "../session/stream.ts";
import { checkTty, followSize, rawInput } from "../session/terminal.ts";
import { beginWait } from "../session/wait.ts";

function check(container: ContainerInspect): void {
  const { State: state } = container;
  if (!state.Running) throw new Error("You cannot attach to a stopped container, start it first");
  if (state.Paused) throw new Error("You cannot attach to a paused container, unpause it first");
  if (state.Restarting)
    throw new Error("You cannot attach to a restarting container, wait until it is running");
}

export const attach: Command = {
  use: "[OPTIONS] CONTAINER",
  short: "Attach local standard input, output, and error streams to a running container",
  aliases: ["docker container attach", "docker attach"],
  flags: [
    { name: "detach-keys", kind: "string", usage: "Override the key sequence for detaching a container" },
    { name: "no-stdin", kind: "bool", usage: "Do not attach STDIN" },
    { name: "sig-proxy", kind: "bool", default: true, usage: "Proxy all received signals to the process" },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const { client } = cli;
    const container = await client.json<ContainerInspect>(
      "GET",
      `/containers/${encodeURIComponent(args[0]!)}/json`,
    );
    check(container);
    const { Id: id, Config: config } = container;
    const tty = config.Tty;
    const stdin = config.OpenStdin && !flags.bool("no-stdin");
    const detachKeys = flags.string("detach-keys") || cli.config.detachKeys || "";
    checkTty(stdin, tty);
    const waiting = await beginWait(client, id, "not-running");
    const undo: (() => void)[] = [];
    if (flags.bool("sig-proxy") && !tty) undo.push(forwardSignals(client, id));
    try {
      const connection = await client.hijack(`/containers/${id}/attach`, {
        query: {
          detachKeys: detachKeys || undefined,
          stderr: true,
          stdin: stdin || undefined,
          stdout: true,
          stream: true,
        },
      });
      if (tty && stdin) undo.push(rawInput());
      if (tty) undo.push(followSize(client, `/containers/${id}`, true));
      const end = await stream(connection, { tty, stdin, stdout: true, stderr: true, detachKeys });
      if (end === "detached") throw new ExitError(1, "read escape sequence");
    } finally {
      for (const step of undo.reverse()) step();
    }
    const exit = await waiting.exit;
    if (exit.error !== undefined) throw new Error(exit.error);
    return exit.code;
  },
};
