// The way to a log daemon: datagrams or a connection that is made again when it breaks.
import { existsSync, readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { trySendUnixDatagram } from "../../../../../ffi/datagram.ts";
import type { Transport } from "./options.ts";

export interface Channel {
  /** Resolves when the message has been taken. Rejects when it cannot be delivered now; then it may be tried again. */
  send(message: string | Uint8Array): Promise<void>;
  close(): void;
}

/** Go's log/syslog looks in these places for the host's own daemon. */
const LOCAL = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/** How long a full queue of the receiver is waited for, in steps. */
const FULL_PAUSE = 20;

/** Datagrams to a unix socket. */
export function unixgram(path: string): Channel {
  return {
    async send(message) {
      while (!trySendUnixDatagram(path, message)) await Bun.sleep(FULL_PAUSE);
    },
    close() {},
  };
}

async function udp(host: string, port: number): Promise<Channel> {
  const socket = await Bun.udpSocket({ connect: { hostname: host, port } });
  return {
    async send(message) {
      // False when the kernel's buffer is full; a closed port is no error of UDP's.
      while (!socket.send(message)) await Bun.sleep(FULL_PAUSE);
    },
    close: () => socket.close(),
  };
}

/** A connection: unix, TCP or TLS. */
function stream(open: () => Socket, ready: "connect" | "secureConnect"): Channel {
  let socket: Socket | undefined;
  const connected = (): Promise<Socket> => {
    if (socket && !socket.destroyed && socket.writable) return Promise.resolve(socket);
    return new Promise((resolve, reject) => {
      const fresh = open();
      fresh.once(ready, () => {
        socket = fresh;
        resolve(fresh);
      });
      fresh.once("error", reject);
      // A daemon that goes away is noticed by the next write.
      fresh.on("error", () => {});
      fresh.resume();
    });
  };
  return {
    async send(message) {
      const to = await connected();
      await new Promise<void>((resolve, reject) =>
        to.write(message, (error) => (error ? reject(error) : resolve())),
      );
    },
    close: () => void socket?.end(),
  };
}

async function openOne(transport: Transport): Promise<Channel> {
  switch (transport.kind) {
    case "unixgram":
      return unixgram(transport.path);
    case "udp":
      return await udp(transport.host, transport.port);
    case "unix":
      return stream(() => connectTcp({ path: transport.path }), "connect");
    case "tcp":
      return stream(() => connectTcp({ host: transport.host, port: transport.port }), "connect");
    case "tls": {
      const { connect } = await import("node:tls");
      const file = (path: string | undefined) => (path ? readFileSync(path) : undefined);
      const { host, port, ca, cert, key, verify } = transport;
      return stream(
        () =>
          connect({
            host,
            port,
            servername: host,
            rejectUnauthorized: verify,
            ...(ca ? { ca: file(ca) } : {}),
            ...(cert ? { cert: file(cert) } : {}),
            ...(key ? { key: file(key) } : {}),
          }),
        "secureConnect",
      );
    }
  }
}

/** Opens the way; without a transport, to the host's own daemon. Throws when nobody is there, where that can be known. */
export async function openChannel(transport: Transport | undefined): Promise<Channel> {
  if (transport) return await openOne(transport);
  const path = LOCAL.find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error("Unix syslog delivery error");
  return unixgram(path);
}
