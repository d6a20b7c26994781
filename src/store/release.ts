// Memory given back when it is known to be free, and not when the collector finds out: a stream's chunks are much memory behind
// small objects, and a download held 30 MB of chunks that had long been written.

/** Ends `chunk`'s use: its memory is free at once, and it is empty from here on. One that is a part of something larger stays. */
export function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength && chunk.byteLength > 0)
    buffer.transfer(0);
}
