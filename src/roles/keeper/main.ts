// network-keeper: started by the engine with its listening socket as descriptor 3. It outlives the engine, and ends when it has
// nothing to keep and no engine talks to it.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { F_SETFD, FD_CLOEXEC } from "../../../ffi/constants/fcntl.ts";
import { syscall } from "../../../ffi/libc.ts";
import { log } from "../../observe/log.ts";
import { version } from "../../version.ts";
import type { KeeperReply, KeeperRequest } from "../../wire/keeper/protocol.ts";
import { ENDPOINTS, KEEPER_SOCKET } from "../../wire/keeper/record.ts";
import { Keep } from "./keep.ts";

const LISTENER = 3;
/** How often a keeper without an engine looks whether its containers live. */
const LOOK_MS = 2000;

interface Talk {
  rest: string;
}

async function answerTo(keep: Keep, request: KeeperRequest): Promise<KeeperReply> {
  const { id } = request;
  try {
    if (request.verb === "hello") {
      await keep.reload();
      return { id, pid: process.pid, version };
    }
    if (request.verb !== "changed") return { id, error: "unknown verb" };
    await keep.changed(request.endpoints);
    return { id };
  } catch (error) {
    return { id, error: (error as Error).message };
  }
}

export async function main(args: string[]): Promise<number> {
  const [option, execRoot] = args;
  if (option !== "--exec-root" || !execRoot) {
    process.stderr.write(
      "usage: network-keeper --exec-root DIR (the engine starts it, with its socket as descriptor 3)\n",
    );
    return 64;
  }
  for (const signal of ["SIGINT", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});
  process.on("unhandledRejection", (error) => log("error", "unhandled failure", { error }));
  process.on("uncaughtException", (error) => log("error", "unhandled failure", { error }));
  syscall("fcntl", "the listening socket (descriptor 3)", LISTENER, F_SETFD, FD_CLOEXEC);
  const keep = new Keep(join(execRoot, ENDPOINTS));
  const over = Promise.withResolvers<void>();
  process.on("SIGTERM", over.resolve);
  let talking = 0;
  // One request after the other, whoever sent them.
  let queue: Promise<unknown> = keep
    .reload()
    .catch((error: unknown) => log("error", "cannot take everything up", { error }));
  const socket: Bun.SocketHandler<Talk> = {
    open(talk) {
      talk.data = { rest: "" };
      talking++;
    },
    data(talk, bytes) {
      const lines = (talk.data.rest + Buffer.from(bytes).toString("utf8")).split("\n");
      talk.data.rest = lines.pop()!;
      for (const line of lines) {
        queue = queue
          .then(async () => {
            const reply = await answerTo(keep, JSON.parse(line) as KeeperRequest);
            talk.write(`${JSON.stringify(reply)}\n`);
          })
          .catch((error: unknown) => log("error", "a request was not understood", { error }));
      }
    },
    close() {
      talking--;
    },
    error() {},
  };
  const listener = Bun.listen<Talk>({ fd: LISTENER, socket } as unknown as Parameters<
    typeof Bun.listen<Talk>
  >[0]);
  const timer = setInterval(() => {
    if (talking > 0) return;
    queue = queue
      .then(async () => {
        if ((await keep.letGo()) && talking === 0) over.resolve();
      })
      .catch((error: unknown) => log("error", "cannot let go of what ended", { error }));
  }, LOOK_MS);
  await over.promise;
  clearInterval(timer);
  rmSync(join(execRoot, KEEPER_SOCKET), { force: true });
  listener.stop(true);
  keep.close();
  process.exit(0);
}
