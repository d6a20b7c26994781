// Terminals: the console socket's descriptor, and a foreground run on a pty.
import { expect, test } from "bun:test";
import { closeSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Fd } from "../../ffi/fd.ts";
import { accept, listenUnix, receiveFds } from "../../ffi/socket.ts";
import { onTerminal } from "../support/terminal.ts";
import { Ground, unable, until } from "./ground.ts";

const it = test.skipIf(unable !== "");

/** Takes one console's master from a listening socket. */
async function takeMaster(listener: Fd): Promise<number> {
  let connection: Fd | undefined;
  await until("a connection", () => {
    connection ??= accept(listener);
    return connection !== undefined;
  });
  let master: Fd | undefined;
  await until("a descriptor", () => {
    master = receiveFds(connection!)?.fds[0];
    return master !== undefined;
  });
  connection!.close();
  return master!.release();
}

it(`create sends the master over the console socket, of a pty in the container's own devpts${unable && ` (skipped: ${unable})`}`, async () => {
  await using ground = new Ground();
  ground.shell("tty; stty size; stat -c %u /dev/console; exit 3", (config) => {
    config.process!.terminal = true;
    config.process!.consoleSize = { height: 33, width: 99 };
  });
  const path = join(ground.directory, "console.sock");
  using listener = listenUnix(path);
  const creating = ground.runc(["create", "--console-socket", path, ground.id]);
  const master = await takeMaster(listener);
  expect(await creating).toMatchObject({ code: 0, err: "" });
  await ground.ok("start", ground.id);
  await until("its end", async () => (await ground.state()).status === "stopped");
  const bytes = Buffer.alloc(4096);
  let shown = "";
  for (;;) {
    try {
      const count = readSync(master, bytes);
      if (count === 0) break;
      shown += bytes.toString("utf8", 0, count);
    } catch {
      break; // EIO: hung up
    }
  }
  closeSync(master);
  expect(shown).toBe("/dev/pts/0\r\n33 99\r\n0\r\n");
});

it("terminal and console socket must go together", async () => {
  await using ground = new Ground();
  ground.configure(["true"], (config) => {
    config.process!.terminal = true;
  });
  expect((await ground.runc(["create", ground.id])).err).toContain(
    "cannot allocate tty if runc will detach without setting console socket",
  );
  ground.configure(["true"]);
  expect((await ground.runc(["create", "--console-socket", "/nosuch", ground.id])).err).toContain(
    "cannot use console socket if runc will not detach or allocate tty",
  );
  expect(ground.leftovers()).toEqual([]);
});

it("run on a terminal: typing, window size, exit code", async () => {
  await using ground = new Ground();
  ground.configure(["sh"], (config) => {
    config.process!.terminal = true;
  });
  await using terminal = onTerminal([
    "sh",
    "-c",
    'cd "$0" && exec "$@"',
    ground.bundle,
    ...ground.command("run", ground.id),
  ]);
  await terminal.shows("# ");
  terminal.type("echo $((40+2)); stty size\r");
  await terminal.shows("42");
  await terminal.shows("24 80");
  terminal.resize(100, 40);
  await until("the new size", async () => {
    terminal.type("stty size\r");
    await Bun.sleep(50);
    return terminal.screen().includes("40 100");
  });
  terminal.type("exit 6\r");
  expect(await terminal.exited).toBe(6);
  expect(ground.leftovers()).toEqual([]);
});
