import type { ContainerInspect } from "../../../spec/engine/container.ts";
import type { Cli } from "../cli.ts";
import { any, type Command } from "../command.ts";
import { ExitError, each } from "../errors.ts";
import type { Flags } from "../flags/flagset.ts";
import { forwardSignals } from "../session/signals.ts";
import { stream } from "../session/stream.ts";
import { checkTty, followSize, rawInput } from "../session/terminal.ts";
import { beginWait } from "../session/wait.ts";

const checkpointQuery = (flags: Flags) => ({
  checkpoint: flags.string("checkpoint") || undefined,
  "checkpoint-dir": flags.string("checkpoint-dir") || undefined,
});

async function attached(cli: Cli, flags: Flags, name: string): Promise<number> {
  const { client } = cli;
  const container = await client.json<ContainerInspect>(
    "GET",
    `/containers/${encodeURIComponent(name)}/json`,
  );
  const { Id: id, Config: config, HostConfig: host } = container;
  const tty = config.Tty;
  const stdin = flags.bool("interactive") && config.OpenStdin;
  const detachKeys = flags.string("detach-keys") || cli.config.detachKeys || "";
  checkTty(stdin, tty);
  const undo: (() => void)[] = [];
  if (!tty) undo.push(forwardSignals(client, id));
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
    const waiting = await beginWait(client, id, host.AutoRemove ? "removed" : "next-exit");
    if (tty && stdin) undo.push(rawInput());
    const streaming = stream(connection, { tty, stdin, stdout: true, stderr: true, detachKeys });
    streaming.catch(() => {});
    await client.done("POST", `/containers/${id}/start`, { query: checkpointQuery(flags) });
    if (tty) undo.push(followSize(client, `/containers/${id}`));
    if ((await streaming) === "detached") return 0;
    const exit = await waiting.exit;
    if (exit.error !== undefined) throw new Error(exit.error);
    return exit.code;
  } finally {
    for (const step of undo.reverse()) step();
  }
}

export const start: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Start one or more stopped containers",
  aliases: ["docker container start", "docker start"],
  flags: [
    { name: "attach", short: "a", kind: "bool", usage: "Attach STDOUT/STDERR and forward signals" },
    { name: "checkpoint", kind: "string", usage: "Restore from this checkpoint" },
    { name: "checkpoint-dir", kind: "string", usage: "Use a custom checkpoint storage directory" },
    { name: "detach-keys", kind: "string", usage: "Override the key sequence for detaching a container" },
    { name: "interactive", short: "i", kind: "bool", usage: "Attach container's STDIN" },
  ],
  args: { min: 1, max: any },
  async run({ cli, flags, args }) {
    if (flags.string("checkpoint") !== "" && args.length > 1) {
      throw new Error("you cannot restore multiple containers at once");
    }
    if (flags.bool("attach") || flags.bool("interactive")) {
      if (args.length > 1) throw new Error("you cannot start and attach multiple containers at once");
      return attached(cli, flags, args[0]!);
    }
    const failed: string[] = [];
    const code = await each(
      args,
      async (name) => {
        try {
          await cli.client.done("POST", `/containers/${encodeURIComponent(name)}/start`, {
            query: checkpointQuery(flags),
          });
        } catch (error) {
          failed.push(name);
          throw error;
        }
        cli.out(`${name}\n`);
      },
      (line) => cli.err(line),
    );
    if (code !== 0) throw new ExitError(1, `Error: failed to start containers: ${failed.join(", ")}`);
    return 0;
  },
};
