// A client that sends bytes as they are, to see what a server does with them.
import { connect } from "node:net";

/**
 * Sends the parts one after another (the first at once, each other after something came back), ends its side, reads to the end.
 * `end: false` leaves the end to the server; `eager` ends right behind the first part.
 */
export function talk(
  path: string,
  parts: (string | Buffer)[],
  options: { end?: boolean; eager?: boolean } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const rest = [...parts];
    let text = "";
    const deadline = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the server kept the connection open; so far: ${JSON.stringify(text)}`));
    }, 5000);
    const next = (): void => {
      const part = rest.shift();
      if (part !== undefined) socket.write(part);
      else if (options.end !== false) socket.end();
    };
    socket.on("connect", () => {
      next();
      if (options.eager) next();
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      next();
    });
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      clearTimeout(deadline);
      resolve(text);
    });
  });
}
