// Where a shim listens: as containerd derives it, a hash below a directory `s`, since ids make paths too long for a socket.
import { parentOf } from "../../../ffi/path.ts";
import { MAX_SOCKET_PATH } from "../../../ffi/socket.ts";

/** For a state directory whose own path leaves no room; containerd's own shims are always here. */
const FALLBACK = "/run/containerd/s";

/** Where the shim of one container under one containerd (known by its socket's address) may listen, the likeliest first. */
export function shimSockets(address: string, namespace: string, id: string): string[] {
  const plain = address.startsWith("unix://") ? address.slice(7) : address;
  const name = new Bun.CryptoHasher("sha256").update(`${plain}/${namespace}/${id}`).digest("hex");
  const path = `${parentOf(plain)}/s/${name}`;
  const fits = path.startsWith("/") && Buffer.byteLength(path) <= MAX_SOCKET_PATH;
  return [...(fits ? [path] : []), `${FALLBACK}/${name}`];
}

/** The path of the socket that a new shim makes. */
export const shimSocket = (address: string, namespace: string, id: string): string =>
  shimSockets(address, namespace, id)[0]!;
