// The multiplexed stream of attach, exec and logs: 8 bytes of header (stream, 0, 0, 0, length big-endian), then the bytes.

export type OutputStream = "stdout" | "stderr";

export const STREAM_NUMBER: Readonly<Record<OutputStream, number>> = { stdout: 1, stderr: 2 };

/** The header for `length` bytes of a stream. */
export function frameHeader(stream: OutputStream, length: number): Uint8Array {
  const header = new Uint8Array(8);
  header[0] = STREAM_NUMBER[stream];
  new DataView(header.buffer).setUint32(4, length);
  return header;
}

/** Header and bytes as one. */
export function frame(stream: OutputStream, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(8 + bytes.length);
  whole.set(frameHeader(stream, bytes.length));
  whole.set(bytes, 8);
  return whole;
}
