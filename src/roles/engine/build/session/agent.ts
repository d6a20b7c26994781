// RUN --mount=type=ssh: a socket whose connections end at the client's agent.
import { chmodSync, chownSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { ServiceError } from "../../../../wire/containerd/services.ts";
import { SSH } from "../../../../wire/gen/buildkit/sshforward_pb.ts";
import type { ClientSession } from "./client-session.ts";

/** Whether the client forwards an agent under that id. Throws ServiceError. */
export async function hasAgent(
  session: ClientSession | undefined,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (!session) return false;
  try {
    await session.connection.unary(SSH.method.checkAgent, { ID: id }, { signal });
    return true;
  } catch (error) {
    // Go's providers answer Unknown for an id that they do not have.
    if (error instanceof ServiceError && ["Unimplemented", "Unknown", "NotFound"].includes(error.code)) {
      return false;
    }
    throw error;
  }
}

async function forward(session: ClientSession, id: string, socket: Socket): Promise<void> {
  const call = session.connection.duplex(SSH.method.forwardAgent, { metadata: { "buildkit.ssh.id": id } });
  socket.on("error", () => {});
  socket.on("close", () => call.cancel());
  const sending = (async () => {
    for await (const data of socket.iterator({ destroyOnReturn: false }))
      await call.send({ data: data as Buffer });
    call.end();
  })();
  sending.catch(() => socket.destroy());
  for (let message = await call.receive(); message; message = await call.receive()) {
    if (!socket.write(message.data)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
}

/** Listens at `path` until disposed of. */
export async function serveAgent(
  session: ClientSession,
  options: { id: string; path: string; uid: number; gid: number; mode: number },
): Promise<Disposable> {
  const { id, path, uid, gid, mode } = options;
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    forward(session, id, socket).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return {
    [Symbol.dispose]() {
      server.close();
      for (const socket of connections) socket.destroy();
      rmSync(path, { force: true });
    },
  };
}
