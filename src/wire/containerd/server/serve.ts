// A containerd's services on a unix socket, over gRPC.
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { answersUnix } from "../../../../ffi/socket.ts";
import { socketPath } from "../address.ts";
import type { Services } from "../services.ts";
import { serveContent } from "./content.ts";
import { serveDaemon } from "./daemon.ts";
import { serveRecords } from "./records.ts";
import { serveSnapshots } from "./snapshots.ts";
import { Streams } from "./streams.ts";
import { serveTasks } from "./tasks.ts";
import { serveTransfer } from "./transfer.ts";

/** containerd's limit for a message, both ways. */
export const MAX_MESSAGE = 16 << 20;

export interface Serving {
  close(): Promise<void>;
}

/** Serves until closed. A socket that a dead process left is replaced; a living one is refused. Mode 0660. */
export async function serve(services: Services, address: string): Promise<Serving> {
  const path = socketPath(address);
  if (answersUnix(path)) throw new Error(`${path} is in use: another containerd answers there`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  rmSync(path, { force: true });
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.max_send_message_length": MAX_MESSAGE,
  });
  serveRecords(server, services);
  serveContent(server, services.content);
  serveSnapshots(server, services);
  serveTasks(server, services.tasks);
  const streams = new Streams();
  streams.serve(server);
  serveTransfer(server, services, streams);
  serveDaemon(server, services);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  chmodSync(path, 0o660);
  return {
    async close() {
      server.forceShutdown();
      rmSync(path, { force: true });
    },
  };
}
