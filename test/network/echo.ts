// A server for network tests: tells every visitor its own name and the visitor's address.
const [name, port, protocol] = process.argv.slice(2) as [string, string, "tcp" | "udp"];

if (protocol === "udp") {
  // Kept: a socket that nothing refers to is collected.
  const socket = await Bun.udpSocket({
    hostname: "0.0.0.0",
    port: Number(port),
    socket: {
      data(socket, _data, peerPort, peer) {
        socket.send(`${name} ${peer}\n`, peerPort, peer);
      },
    },
  });
  Object.assign(globalThis, { socket });
} else {
  Bun.listen({
    hostname: "0.0.0.0",
    port: Number(port),
    socket: {
      open(socket) {
        socket.end(`${name} ${socket.remoteAddress}\n`);
      },
      data() {},
    },
  });
}
process.stdout.write("ready\n");
