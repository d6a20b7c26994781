// Where shims deliver their events: containerd's ttrpc socket.
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { answersUnix } from "../../../../ffi/socket.ts";
import { log } from "../../../observe/log.ts";
import { type Events, ServiceError } from "../../../wire/containerd/services.ts";
import { socketPath } from "../../../wire/ttrpc/connection.ts";
import { Events as EventsService } from "../../../wire/ttrpc/messages/events.ts";
import { dateOf } from "../../../wire/ttrpc/messages/well-known.ts";
import { TtrpcServer } from "../../../wire/ttrpc/server.ts";

/** Serves Events.Forward at `address`. FailedPrecondition when another daemon does. */
export function serveEvents(address: string, events: Events): TtrpcServer {
  const path = socketPath(address);
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  if (answersUnix(path))
    throw new ServiceError("FailedPrecondition", `${path}: another containerd listens there`);
  rmSync(path, { force: true });
  const server = new TtrpcServer((error) => log("warning", "a shim's connection was ended", { error }));
  server.register(EventsService, {
    forward: async ({ envelope }) => {
      if (!envelope?.event) throw new ServiceError("InvalidArgument", "forward: no envelope");
      await events.forward({
        timestamp: dateOf(envelope.timestamp) ?? new Date(),
        namespace: envelope.namespace,
        topic: envelope.topic,
        event: envelope.event,
      });
      return {};
    },
  });
  server.listen({ address: path });
  chmodSync(path, 0o600);
  return server;
}
