// Asking other resolvers what we do not know: the message as it came, under an id of our own, over the transport it came by.
import { idOf, withId } from "../../wire/dns/message.ts";

/** How long one server may take. */
const PATIENCE_MS = 4000;

/** Runs `open` where its sockets are to be made (a container's network namespace, or here). */
export type Place = <T>(open: () => T) => T;

const randomId = (): number => crypto.getRandomValues(new Uint16Array(1))[0]!;

/** "10.0.0.1", "[fd00::1]:5353" or "fe80::1%eth0" → address and port. */
function target(server: string): { hostname: string; port: number } {
  const match = /^\[(.+)\]:(\d+)$/.exec(server) ?? /^([\d.]+):(\d+)$/.exec(server);
  return match ? { hostname: match[1]!, port: Number(match[2]) } : { hostname: server, port: 53 };
}

async function overUdp(query: Uint8Array, server: string, place: Place): Promise<Uint8Array | undefined> {
  const { hostname, port } = target(server);
  const id = randomId();
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  let socket: { send(data: Uint8Array): boolean; close(): void } | undefined;
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  try {
    const opening = place(() =>
      Bun.udpSocket({
        connect: { hostname, port },
        socket: {
          data(_, bytes) {
            if (bytes.length >= 12 && idOf(bytes) === id) resolve(Uint8Array.from(bytes));
          },
          error() {
            resolve(undefined);
          },
        },
      }),
    );
    socket = await opening;
    socket.send(withId(query, id));
    const answer = await promise;
    return answer && withId(answer, idOf(query));
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
    socket?.close();
  }
}

async function overTcp(query: Uint8Array, server: string, place: Place): Promise<Uint8Array | undefined> {
  const { hostname, port } = target(server);
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  let received = Buffer.alloc(0);
  let socket: { end(): unknown } | undefined;
  try {
    const opening = place(() =>
      Bun.connect({
        hostname,
        port,
        socket: {
          open(connection) {
            connection.write(framed(query));
          },
          data(_, bytes) {
            received = Buffer.concat([received, bytes]);
            if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
              resolve(Uint8Array.from(received.subarray(2, 2 + received.readUInt16BE(0))));
            }
          },
          close: () => resolve(undefined),
          error: () => resolve(undefined),
          connectError: () => resolve(undefined),
        },
      }),
    );
    opening.catch(() => resolve(undefined));
    socket = await Promise.race([opening, promise.then(() => undefined)]);
    return await promise;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
    socket?.end();
  }
}

/** A message as TCP carries it: its length first. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length);
  bytes[0] = message.length >> 8;
  bytes[1] = message.length & 255;
  bytes.set(message, 2);
  return bytes;
}

const SERVFAIL = 2;

/** Asks one server after the other; undefined when none answers. A server that fails is only believed when no other one knows. */
export async function askUpstream(
  query: Uint8Array,
  transport: "udp" | "tcp",
  servers: readonly string[],
  place: Place,
): Promise<Uint8Array | undefined> {
  const ask = transport === "udp" ? overUdp : overTcp;
  let failed: Uint8Array | undefined;
  for (const server of servers) {
    const answer = await ask(query, server, place);
    if (answer && (answer[3]! & 15) !== SERVFAIL) return answer;
    failed ??= answer;
  }
  return failed;
}
