import type { ExecInspect } from "../../../spec/engine/exec.ts";
import { any, type Command } from "../command.ts";
import { checkEnv } from "../create/checks.ts";
import { keyValueFile } from "../create/files.ts";
import { ExitError, reason } from "../errors.ts";
import { stream } from "../session/stream.ts";
import { checkTty, followSize, rawInput, terminalSize } from "../session/terminal.ts";

export const exec: Command = {
  use: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  short: "Execute a command in a running container",
  aliases: ["docker container exec", "docker exec"],
  flags: [
    { name: "detach", short: "d", kind: "bool", usage: "Detached mode: run command in the background" },
    { name: "detach-keys", kind: "string", usage: "Override the key sequence for detaching a container" },
    { name: "env", short: "e", kind: "list", check: checkEnv, usage: "Set environment variables" },
    { name: "env-file", kind: "list", usage: "Read in a file of environment variables" },
    { name: "interactive", short: "i", kind: "bool", usage: "Keep STDIN open even if not attached" },
    { name: "privileged", kind: "bool", usage: "Give extended privileges to the command" },
    { name: "tty", short: "t", kind: "bool", usage: "Allocate a pseudo-TTY" },
    {
      name: "user",
      short: "u",
      kind: "string",
      usage: 'Username or UID (format: "<name|uid>[:<group|gid>]")',
    },
    { name: "workdir", short: "w", kind: "string", usage: "Working directory inside the container" },
  ],
  args: { min: 2, max: any },
  interspersed: false,
  async run({ cli, flags, args }) {
    const [container = "", ...command] = args;
    const { client } = cli;
    const detached = flags.bool("detach");
    const tty = flags.bool("tty");
    const stdin = flags.bool("interactive") && !detached;
    const detachKeys = flags.string("detach-keys") || cli.config.detachKeys || "";
    const env = [
      ...flags.list("env-file").flatMap((path) => keyValueFile(path, (name) => process.env[name])),
      ...flags.list("env"),
    ];
    if (!detached) checkTty(stdin, tty);
    const size = tty ? terminalSize() : undefined;
    const { Id: id } = await client.json<{ Id: string }>(
      "POST",
      `/containers/${encodeURIComponent(container)}/exec`,
      {
        json: {
          User: flags.string("user"),
          Privileged: flags.bool("privileged"),
          Tty: tty,
          ...(size ? { ConsoleSize: size } : {}),
          AttachStdin: stdin,
          AttachStderr: !detached,
          AttachStdout: !detached,
          DetachKeys: detachKeys,
          Env: env.length > 0 ? env : null,
          WorkingDir: flags.string("workdir"),
          Cmd: command,
        },
      },
    );
    if (detached) {
      await client.done("POST", `/exec/${id}/start`, { json: { Detach: true, Tty: tty } });
      return 0;
    }
    const undo: (() => void)[] = [];
    try {
      const connection = await client.hijack(`/exec/${id}/start`, {
        json: { Detach: false, Tty: tty, ...(size ? { ConsoleSize: size } : {}) },
      });
      if (tty && stdin) undo.push(rawInput());
      if (tty) undo.push(followSize(client, `/exec/${id}`));
      const end = await stream(connection, { tty, stdin, stdout: true, stderr: true, detachKeys });
      if (end === "detached") throw new ExitError(1, "read escape sequence");
    } finally {
      for (const step of undo.reverse()) step();
    }
    try {
      const { ExitCode: code } = await client.json<ExecInspect>("GET", `/exec/${id}/json`);
      return code ?? 0;
    } catch (error) {
      throw new ExitError(255, reason(error));
    }
  },
};
