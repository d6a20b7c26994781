// Addresses of containerd sockets: a path, with or without "unix://".

/** The path of a unix address. Throws TypeError on another scheme. */
export function socketPath(address: string): string {
  const path = address.startsWith("unix://") ? address.slice("unix://".length) : address;
  if (!path.startsWith("/")) throw new TypeError(`${address}: not the path of a unix socket`);
  return path;
}
