// ssh://USER@HOST:PORT[/SOCKET]: the engine of another machine, reached through `docker system dial-stdio` there. Every connection
// is an ssh process of its own; the rest of the client sees a unix socket.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket, Subprocess } from "bun";
import { childEnvironment } from "../../self.ts";

/** The words of the ssh command for a host. Throws with docker's words on one that makes no sense. */
export function sshCommand(host: string): string[] {
  const refuse = (why: string) => new Error(`ssh host connection is not valid: invalid SSH URL: ${why}`);
  let url: URL;
  try {
    url = new URL(host);
  } catch {
    throw refuse(`parse ${JSON.stringify(host)}`);
  }
  if (url.password !== "") throw refuse("plain-text password is not supported");
  if (url.hostname === "") throw refuse("hostname is empty");
  if (url.search !== "")
    throw refuse(`query parameters are not allowed: ${JSON.stringify(url.search.slice(1))}`);
  if (url.hash !== "") throw refuse(`fragments are not allowed: ${JSON.stringify(url.hash.slice(1))}`);
  // The remote side is a shell: whatever is not plain is quoted.
  const quote = (word: string) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  const path = decodeURIComponent(url.pathname);
  const remote = [
    "docker",
    ...(path.replaceAll("/", "") === "" ? [] : [`--host=unix://${path}`]),
    "system",
    "dial-stdio",
  ];
  const name = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "");
  return [
    "ssh",
    ...(url.username === "" ? [] : ["-l", decodeURIComponent(url.username)]),
    ...(url.port === "" ? [] : ["-p", url.port]),
    "-o",
    "ConnectTimeout=30",
    "-T",
    "--",
    name,
    remote.map(quote).join(" "),
  ];
}

interface Link {
  child: Subprocess<"pipe", "pipe", "inherit">;
  /** What the socket could not take yet. */
  waiting: (() => void) | undefined;
}

async function pump(socket: Socket<Link>, link: Link): Promise<void> {
  for await (const chunk of link.child.stdout) {
    for (let at = 0; at < chunk.length; ) {
      const sent = socket.write(chunk, at, chunk.length - at);
      if (sent < 0) return;
      at += sent;
      if (at < chunk.length) {
        await new Promise<void>((resolve) => {
          link.waiting = resolve;
        });
      }
    }
  }
  socket.end();
}

/** Opens a private socket whose connections go through ssh. It disappears with this process. */
export function listenForSsh(host: string): string {
  const command = sshCommand(host);
  const directory = mkdtempSync(join(tmpdir(), "docker-ssh-"));
  const path = join(directory, "docker.sock");
  const children = new Set<Subprocess>();
  Bun.listen<Link>({
    unix: path,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        const child = Bun.spawn(command, {
          env: childEnvironment(),
          stdin: "pipe",
          stdout: "pipe",
          stderr: "inherit",
        });
        children.add(child);
        socket.data = { child, waiting: undefined };
        pump(socket, socket.data).catch(() => socket.terminate());
      },
      async data(socket, bytes) {
        const { stdin } = socket.data.child;
        stdin.write(bytes);
        const flushed = stdin.flush();
        if (flushed instanceof Promise) {
          socket.pause();
          await flushed.catch(() => {});
          socket.resume();
        }
      },
      drain(socket) {
        socket.data.waiting?.();
      },
      end(socket) {
        void socket.data.child.stdin.end();
      },
      close(socket) {
        socket.data.waiting?.();
        socket.data.child.kill();
        children.delete(socket.data.child);
      },
    },
  });
  process.on("exit", () => {
    for (const child of children) child.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  return path;
}
