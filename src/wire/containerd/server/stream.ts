// grpc-js's streams as async iteration, with backpressure both ways.
import type { Readable, Writable } from "node:stream";

/** Hands one message on; resolves when the peer can take the next, or when it is gone. */
export function writeStream(to: Writable, message: unknown, signal: AbortSignal): Promise<void> | void {
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
 * Messages as they come. Not the stream's own iterator: that one destroys the stream when the reader stops, and with it the
 * half that answers.
 */
export async function* readStream<T>(from: Readable, signal: AbortSignal): AsyncGenerator<T> {
  const waiting: T[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const onData = (message: T) => {
    waiting.push(message);
    from.pause();
    wake?.();
  };
  const onEnd = () => {
    ended = true;
    wake?.();
  };
  const onError = (error: Error) => {
    failure = error;
    wake?.();
  };
  from.on("data", onData);
  from.on("end", onEnd);
  from.on("error", onError);
  signal.addEventListener("abort", onEnd, { once: true });
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
    from.off("data", onData);
    from.off("end", onEnd);
    signal.removeEventListener("abort", onEnd);
    // The error listener stays: an error after this must not become an uncaught one.
  }
}
