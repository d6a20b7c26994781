// Reading a non-blocking FIFO, pipe or pty master asynchronously: the one API of Bun that does (design facts, section 7).
import type { Fd } from "../../../../ffi/fd.ts";

/** Chunks of up to ~170 KiB as they come; a stopped reader stops the reading. */
export function readerOf(fd: Fd) {
  return Bun.file(fd.number).stream().getReader();
}

export type SourceReader = ReturnType<typeof readerOf>;
