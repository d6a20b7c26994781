// The multiplexed stream of attach, exec and logs: 8 bytes of header (stream, 0, 0, 0, length big-endian), then the bytes.

export type OutputStream = "stdout" | "stderr";

export const STREAM_NUMBER: Readonly<Record<OutputStream, number>> = { stdout: 1, stderr: 2 };

/** Bytes of a header. */
export const FRAME_HEADER = 8;

/** Writes the header for `length` bytes of a stream at a place. */
export function writeFrameHeader(into: Uint8Array, at: number, stream: OutputStream, length: number): void {
  into[at] = STREAM_NUMBER[stream];
  into[at + 1] = 0;
  into[at + 2] = 0;
  into[at + 3] = 0;
  into[at + 4] = length >>> 24;
  into[at + 5] = length >>> 16;
  into[at + 6] = length >>> 8;
  into[at + 7] = length;
}

/** The header for `length` bytes of a stream. */
export function frameHeader(stream: OutputStream, length: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER);
  writeFrameHeader(header, 0, stream, length);
  return header;
}

/** Header and bytes as one. */
export function frame(stream: OutputStream, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(FRAME_HEADER + bytes.length);
  writeFrameHeader(whole, 0, stream, bytes.length);
  whole.set(bytes, FRAME_HEADER);
  return whole;
}
