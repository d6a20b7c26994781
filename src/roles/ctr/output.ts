// Bytes to stdout, as fast as the reader takes them.

export async function writeOut(chunk: Uint8Array): Promise<void> {
  if (process.stdout.write(chunk)) return;
  await new Promise((resolve) => process.stdout.once("drain", resolve));
}
