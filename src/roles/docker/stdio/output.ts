// Writing to stdout and stderr: everything is with the kernel before the client ends, memory stays flat behind a slow reader,
// and a stalled reader does not stop signals and stdin.
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";

interface Sink {
  fd: number;
  /** Opened by us without blocking. */
  own: boolean;
  /** Was made to hold more than 64 KiB: its reader is slower than we are. */
  grown?: boolean;
}

/** Milliseconds that a write may hold up everything else. */
const PATIENCE = 5;

const sinks = new Map<number, Sink>();

// O_NONBLOCK belongs to the open file, which others share: for a pipe, a second opening of our own through /proc has it alone.
function sinkOf(fd: number): Sink {
  let sink = sinks.get(fd);
  if (sink) return sink;
  sink = { fd, own: false };
  try {
    if (fstatSync(fd).isFIFO()) {
      sink = { fd: openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK), own: true };
    }
  } catch {
    // Not ours to reopen (another user's pipe): blocking writes work too.
  }
  sinks.set(fd, sink);
  return sink;
}

/** The reader of our output is gone: ends the process as SIGPIPE would. */
function brokenPipe(): never {
  process.exit(141);
}

function failed(error: unknown, fd: number): never {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EPIPE") brokenPipe();
  if (fd === 1) throw new Error(`write /dev/stdout: ${message}`);
  process.exit(1);
}

/** Writes all of `bytes`; waits without blocking the process where the kernel allows. */
export async function write(fd: number, bytes: Uint8Array): Promise<void> {
  const sink = sinkOf(fd);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(sink.fd, bytes, at, bytes.length - at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") failed(error, fd);
      // Bun has no event for it: the kernel is asked, and between two short waits there is time for signals and stdin.
      const { growPipe } = require("../../../../ffi/fifo.ts") as typeof import("../../../../ffi/fifo.ts");
      const { pollWritable } = require("../../../../ffi/poll.ts") as typeof import("../../../../ffi/poll.ts");
      if (sink.own && !sink.grown) {
        sink.grown = true;
        growPipe(sink.fd, 1 << 20);
      }
      pollWritable(sink.fd, PATIENCE);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Writes text at once (tables, messages). */
export function writeText(fd: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") failed(error, fd);
      Bun.sleepSync(1);
    }
  }
}

/** Closes what `write` opened. */
export function closeOutput(): void {
  for (const sink of sinks.values()) if (sink.own) closeSync(sink.fd);
  sinks.clear();
}
