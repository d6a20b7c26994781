// A server for network tests: tells every visitor its own name and the visitor's address. It serves both families.
const [name, port, protocol] = process.argv.slice(2) as [string, string, "tcp" | "udp"];

// An IPv4 visitor of a socket of both families.
const plain = (address: string) => address.replace(/^::ffff:/, "");

if (protocol === "udp") {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket({ type: "udp6", ipv6Only: false });
  socket.on("message", (_, peer) => socket.send(`${name} ${plain(peer.address)}\n`, peer.port, peer.address));
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.bind(Number(port), "::", resolve);
  await promise;
} else {
  Bun.listen({
    hostname: "::",
    port: Number(port),
    socket: {
      open(socket) {
        socket.end(`${name} ${plain(socket.remoteAddress)}\n`);
      },
      data() {},
    },
  });
}
process.stdout.write("ready\n");
