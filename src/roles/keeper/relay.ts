// Published ports that no translation can serve: IPv6 outside and IPv4 inside, or the other way round. Bytes are carried from
// one connection to another, so the container sees the host's address and not the client's.
import type { RelayRecord } from "../../wire/keeper/record.ts";

/** A UDP client that says nothing for so long is forgotten. */
const UDP_IDLE_MS = 90_000;
const MOST_UDP_CLIENTS = 1024;

export interface Relay {
  close(): void;
}

interface Side {
  peer: Bun.Socket<Side> | undefined;
  /** Bytes that the peer has not taken yet. */
  waiting: Buffer[];
  ended: boolean;
}

const side = (): Side => ({ peer: undefined, waiting: [], ended: false });

/** Sends what waits for this socket; its peer is read again when all of it is gone. */
function flush(socket: Bun.Socket<Side>): void {
  const { waiting } = socket.data;
  while (waiting.length > 0) {
    const [first] = waiting;
    const sent = socket.write(first!);
    if (sent < first!.length) {
      waiting[0] = first!.subarray(Math.max(sent, 0));
      return;
    }
    waiting.shift();
  }
  socket.data.peer?.resume();
  if (socket.data.ended) socket.end();
}

const handler: Bun.SocketHandler<Side> = {
  data(socket, bytes) {
    const { peer } = socket.data;
    if (!peer) {
      // The other side is still being connected to.
      socket.data.waiting.push(Buffer.from(bytes));
      socket.pause();
      return;
    }
    peer.data.waiting.push(Buffer.from(bytes));
    socket.pause();
    flush(peer);
  },
  drain: flush,
  end(socket) {
    const { peer } = socket.data;
    if (!peer) return;
    peer.data.ended = true;
    if (peer.data.waiting.length === 0) peer.shutdown();
  },
  close(socket) {
    const { peer } = socket.data;
    socket.data.peer = undefined;
    if (!peer) return;
    peer.data.peer = undefined;
    peer.data.ended = true;
    if (peer.data.waiting.length === 0) peer.end();
  },
  error() {},
};

async function join(client: Bun.Socket<Side>, { containerIp, containerPort }: RelayRecord): Promise<void> {
  try {
    const server = await Bun.connect<Side>({
      hostname: containerIp,
      port: containerPort,
      data: side(),
      allowHalfOpen: true,
      socket: handler,
    });
    const early = client.data.waiting.splice(0);
    client.data.peer = server;
    server.data.peer = client;
    server.data.waiting.push(...early);
    flush(server);
  } catch {
    client.terminate();
  }
}

function relayTcp(record: RelayRecord): Relay {
  const listener = Bun.listen<Side>({
    hostname: record.hostIp,
    port: record.hostPort,
    ipv6Only: record.hostIp.includes(":"),
    allowHalfOpen: true,
    data: side(),
    socket: {
      ...handler,
      open(client: Bun.Socket<Side>) {
        client.data = side();
        void join(client, record);
      },
    },
  } as unknown as Parameters<typeof Bun.listen<Side>>[0]);
  return { close: () => listener.stop(true) };
}

async function relayUdp(record: RelayRecord): Promise<Relay> {
  const clients = new Map<string, { socket: Bun.udp.ConnectedSocket<"buffer">; timer: NodeJS.Timeout }>();
  const forget = (key: string) => {
    const client = clients.get(key);
    clients.delete(key);
    clearTimeout(client?.timer);
    client?.socket.close();
  };
  const hear = async (bytes: Uint8Array, port: number, address: string) => {
    const key = `${address} ${port}`;
    if (!clients.has(key)) {
      if (clients.size >= MOST_UDP_CLIENTS) return;
      const inside = await Bun.udpSocket({
        connect: { hostname: record.containerIp, port: record.containerPort },
        socket: {
          data(_, answer) {
            clients.get(key)?.timer.refresh();
            outside.send(answer, port, address);
          },
          error() {},
        },
      });
      if (clients.has(key)) inside.close();
      else clients.set(key, { socket: inside, timer: setTimeout(() => forget(key), UDP_IDLE_MS) });
    }
    const client = clients.get(key);
    client?.timer.refresh();
    client?.socket.send(bytes);
  };
  // Bun's own UDP sockets cannot leave the other family's port alone.
  const { createSocket } = await import("node:dgram");
  const v6 = record.hostIp.includes(":");
  const outside = createSocket({ type: v6 ? "udp6" : "udp4", ipv6Only: v6 });
  outside.on("message", (bytes, { port, address }) => void hear(Uint8Array.from(bytes), port, address));
  await new Promise<void>((resolve, reject) => {
    outside.once("error", reject);
    outside.bind(record.hostPort, record.hostIp, resolve);
  });
  outside.removeAllListeners("error").on("error", () => {});
  return {
    close() {
      for (const key of [...clients.keys()]) forget(key);
      outside.close();
    },
  };
}

/** Starts carrying. Throws when somebody else has the port. */
export async function openRelay(record: RelayRecord): Promise<Relay> {
  return record.protocol === "tcp" ? relayTcp(record) : relayUdp(record);
}
