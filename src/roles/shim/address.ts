// Where a shim listens: as containerd derives it, a hash below a directory `s`, since ids make paths too long for a socket.
import { parentOf } from "../../../ffi/path.ts";
import { MAX_SOCKET_PATH } from "../../../ffi/socket.ts";

/** For a state directory whose own path leaves no room. */
const FALLBACK = "/run/containerd/s";

/** The path of the socket of one container's shim under one containerd (known by its socket's address). */
export function shimSocket(address: string, namespace: string, id: string): string {
  const plain = address.startsWith("unix://") ? address.slice(7) : address;
  const name = new Bun.CryptoHasher("sha256").update(`${plain}/${namespace}/${id}`).digest("hex");
  const path = `${parentOf(plain)}/s/${name}`;
  return path.startsWith("/") && Buffer.byteLength(path) <= MAX_SOCKET_PATH ? path : `${FALLBACK}/${name}`;
}
