// A containerd behind a unix socket, ours or the real one, as the same services that the local one gives.
import { Client, credentials } from "@grpc/grpc-js";
import { answersUnix } from "../../../../ffi/socket.ts";
import { socketPath } from "../address.ts";
import { ServiceError, type Services } from "../services.ts";
import { remoteContent } from "./content.ts";
import { remoteEvents, remoteIntrospection, remoteVersion } from "./daemon.ts";
import { remoteContainers, remoteImages, remoteLeases, remoteNamespaces } from "./records.ts";
import { remoteDiff, remoteSnapshots } from "./snapshots.ts";
import { remoteTasks } from "./tasks.ts";
import { remoteTransfer } from "./transfer.ts";

const MAX_MESSAGE = 16 << 20;
/** Between two looks at a socket that nobody answers yet. */
const LOOK = 50;

export interface RemoteContainerd {
  services: Services;
  close(): Promise<void>;
}

function answers(path: string): boolean {
  try {
    return answersUnix(path);
  } catch {
    return false;
  }
}

/**
 * Connects; waits up to `patience` milliseconds for somebody to answer there. Throws Unavailable. Lost connections are taken
 * up again by themselves; calls made meanwhile fail with Unavailable.
 */
export async function connect(
  address: string,
  { patience = 10_000 }: { patience?: number } = {},
): Promise<RemoteContainerd> {
  const path = socketPath(address);
  const end = Date.now() + patience;
  while (!answers(path)) {
    if (Date.now() >= end) {
      throw new ServiceError("Unavailable", `failed to dial ${JSON.stringify(path)}: nobody answers there`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.max_send_message_length": MAX_MESSAGE,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
  });
  const images = remoteImages(client);
  return {
    services: {
      namespaces: remoteNamespaces(client),
      content: remoteContent(client),
      images,
      containers: remoteContainers(client),
      snapshots: remoteSnapshots(client),
      diff: remoteDiff(client),
      leases: remoteLeases(client),
      events: remoteEvents(client),
      tasks: remoteTasks(client),
      version: remoteVersion(client),
      introspection: remoteIntrospection(client),
      transfer: remoteTransfer(client, images),
    },
    async close() {
      client.close();
    },
  };
}
