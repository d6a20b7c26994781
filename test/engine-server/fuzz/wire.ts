// One request as bytes over the engine's socket, and what came back.
import { connect } from "node:net";

export interface Outcome {
  /** Undefined when the connection ended without an answer. */
  status?: number;
  /** The head and the body as far as it was read. */
  text: string;
  /** No head came in time. */
  hung?: true;
}

/** How long a head may take: a stop waits for its container, a pull for its registry. */
const HEAD_DEADLINE = 30_000;
/** An answer that has begun and goes on (events, stats, logs -f) is let go after so long. */
const PATIENCE = 150;
const ENOUGH = 1 << 20;

/** Sends the bytes; with `halfClose` the sending side ends behind them, with `leave` the client is gone at once. */
export function exchange(
  path: string,
  bytes: Uint8Array,
  { halfClose = false, leave = false }: { halfClose?: boolean; leave?: boolean } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ path, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    let size = 0;
    let headTold = false;
    let patience: Timer | undefined;
    const finish = (extra: Partial<Outcome> = {}): void => {
      clearTimeout(deadline);
      clearTimeout(patience);
      socket.destroy();
      const text = Buffer.concat(chunks).toString("latin1");
      // What 100-continue says comes before the answer.
      const heads = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map((match) => Number(match[1]));
      const status = heads.find((code) => code !== 100);
      resolve({ ...(status === undefined ? {} : { status }), text, ...extra });
    };
    const deadline = setTimeout(() => finish({ hung: true }), HEAD_DEADLINE);
    socket.on("connect", () => {
      socket.write(bytes);
      if (leave) finish();
      else if (halfClose) socket.end();
    });
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      headTold ||= /^HTTP\/1\.1 (?!100)/m.test(chunk.toString("latin1"));
      if (size > ENOUGH) return finish();
      if (headTold) patience ??= setTimeout(finish, PATIENCE);
    });
    socket.on("error", () => {});
    socket.on("end", () => finish());
    socket.on("close", () => finish());
  });
}
