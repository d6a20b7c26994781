// grpc-js's streams as async iteration, with backpressure both ways.
import type { Readable, Writable } from "node:stream";

/** Hands one message on; resolves when the peer can take the next, or when it is gone. */
export function writeStream(to: Writable, message: unknown, signal: AbortSignal): Promise<void> | undefined {
  if (to.write(message) || signal.aborted) return;
  return new Promise((resolve) => {
    const done = () => {
      to.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    to.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/**
 * Messages as they come, from this call on. Not the stream's own iterator: that one destroys the stream when the reader
 * stops, and with it the half that answers; and it lets an error that comes before the first read go uncaught.
 */
export function readStream<T>(from: Readable, signal: AbortSignal): AsyncGenerator<T, void> {
  const waiting: T[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const onEnd = () => {
    ended = true;
    wake?.();
  };
  // Both stay for the stream's life: what comes after the reader has gone must not become an uncaught error.
  from.on("error", (error) => {
    failure ??= error;
    wake?.();
  });
  from.on("end", onEnd);
  from.on("data", (message: T) => {
    waiting.push(message);
    from.pause();
    wake?.();
  });
  from.pause();
  signal.addEventListener("abort", onEnd, { once: true });
  return (async function* () {
    try {
      for (;;) {
        const message = waiting.shift();
        if (message !== undefined) {
          yield message;
          continue;
        }
        if (failure) throw failure;
        if (ended || signal.aborted) return;
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        from.resume();
        await woken;
      }
    } finally {
      signal.removeEventListener("abort", onEnd);
    }
  })();
}
