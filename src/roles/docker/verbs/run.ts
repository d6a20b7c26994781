// `docker run`: create, attach, wait, start, and then be the container's terminal until it ends.
import { span } from "../../../observe/trace.ts";
import type { Cli } from "../cli.ts";
import { any, type Command } from "../command.ts";
import { createContainer } from "../create/container.ts";
import { containerFlags } from "../create/flags.ts";
import { type CreateRequest, createRequest } from "../create/request.ts";
import { ExitError, reason } from "../errors.ts";
import type { Flag, Flags } from "../flags/flagset.ts";
import { forwardSignals } from "../session/signals.ts";
import { stream } from "../session/stream.ts";
import { checkTty, followSize, rawInput, terminalSize } from "../session/terminal.ts";
import { beginWait } from "../session/wait.ts";

const runFlags: readonly Flag[] = [
  ...containerFlags,
  { name: "detach", short: "d", kind: "bool", usage: "Run container in background and print container ID" },
  { name: "detach-keys", kind: "string", usage: "Override the key sequence for detaching a container" },
  { name: "sig-proxy", kind: "bool", default: true, usage: "Proxy received signals to the process" },
].sort((a, b) => (a.name < b.name ? -1 : 1)) as Flag[];

/** 127: no such program; 126: not one that can be run; 125: everything else. */
export function startFailure(message: string): number {
  if (
    /executable file not found|no such file or directory|system cannot find the file specified/.test(message)
  ) {
    return 127;
  }
  return /permission denied|is a directory/.test(message) ? 126 : 125;
}

const complaint = (error: unknown, path: string): string =>
  `docker: ${reason(error)}\n\nRun '${path} --help' for more information`;

async function attached(
  cli: Cli,
  id: string,
  request: CreateRequest,
  flags: Flags,
  path: string,
): Promise<number> {
  const { client } = cli;
  const { Tty: tty, AttachStdin: stdin, AttachStdout: stdout, AttachStderr: stderr } = request;
  const detachKeys = flags.string("detach-keys") || cli.config.detachKeys || "";
  const stopSignals = flags.bool("sig-proxy") && !tty ? forwardSignals(client, id) : () => {};
  const undo: (() => void)[] = [stopSignals];
  const cancelled = new AbortController();
  try {
    const preparing = span("docker", "attach", id);
    const [connection, waiting] = await Promise.all([
      client.hijack(`/containers/${id}/attach`, {
        query: {
          detachKeys: detachKeys || undefined,
          stderr: stderr || undefined,
          stdin: stdin || undefined,
          stdout: stdout || undefined,
          stream: true,
        },
      }),
      beginWait(client, id, request.HostConfig.AutoRemove ? "removed" : "next-exit", cancelled.signal),
    ]);
    preparing();
    if (tty && stdin) undo.push(rawInput());
    const streaming = stream(connection, { tty, stdin, stdout, stderr, detachKeys });
    streaming.catch(() => {});
    const starting = span("docker", "start", id);
    try {
      await client.done("POST", `/containers/${id}/start`);
    } catch (error) {
      connection.close();
      // With --rm the engine takes the container away again; ending earlier would leave that half seen.
      if (request.HostConfig.AutoRemove) await waiting.exit.catch(() => {});
      throw new ExitError(startFailure(reason(error)), complaint(error, path));
    } finally {
      starting();
    }
    if (tty) undo.push(followSize(client, `/containers/${id}`));
    const ended = span("docker", "wait", id);
    if ((await streaming) === "detached") return 0;
    const exit = await waiting.exit;
    ended();
    if (exit.error !== undefined) {
      cli.err(`Error waiting for container: ${exit.error}\n`);
      return 125;
    }
    return exit.code;
  } finally {
    for (const step of undo.reverse()) step();
    cancelled.abort();
  }
}

export const run: Command = {
  use: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  short: "Create and run a new container from an image",
  aliases: ["docker container run", "docker run"],
  flags: runFlags,
  args: { min: 1, max: any },
  interspersed: false,
  async run({ cli, flags, args, path }) {
    const [image = "", ...command] = args;
    const detached = flags.bool("detach");
    let request: CreateRequest;
    let id: string;
    try {
      if (detached && flags.list("attach").length > 0) {
        throw new ExitError(1, "conflicting options: cannot specify both --attach and --detach");
      }
      request = createRequest(flags, image, command, {
        config: cli.config,
        host: cli.host(),
        detached,
        consoleSize: flags.bool("tty") ? terminalSize() : undefined,
      });
      checkTerminal(request, detached);
      id = await createContainer(cli, flags, image, request);
    } catch (error) {
      if (error instanceof ExitError) throw error;
      throw new ExitError(125, complaint(error, path));
    }
    if (!detached && (request.AttachStdin || request.AttachStdout || request.AttachStderr)) {
      return attached(cli, id, request, flags, path);
    }
    cli.out(`${id}\n`);
    try {
      await cli.client.done("POST", `/containers/${id}/start`);
    } catch (error) {
      throw new ExitError(startFailure(reason(error)), complaint(error, path));
    }
    return 0;
  },
};

function checkTerminal(request: CreateRequest, detached: boolean): void {
  if (detached) return;
  try {
    checkTty(request.AttachStdin, request.Tty);
  } catch (error) {
    throw new ExitError(1, reason(error));
  }
}
