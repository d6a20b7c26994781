// Tar archives byte by byte, so that tests can write what no tar program would.

export interface TarEntry {
  name: string;
  /** ustar typeflag: "0" file, "1" hard link, "2" symlink, "3" char device, "5" directory, "6" FIFO. */
  type?: "0" | "1" | "2" | "3" | "4" | "5" | "6";
  content?: string | Uint8Array;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
}

/** A ustar archive of the entries, as they are: names are not cleaned. */
export function tar(entries: TarEntry[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  const encoder = new TextEncoder();
  for (const entry of entries) {
    const content =
      typeof entry.content === "string" ? encoder.encode(entry.content) : (entry.content ?? new Uint8Array());
    const header = new Uint8Array(512);
    const put = (at: number, text: string) => header.set(encoder.encode(text), at);
    const octal = (at: number, digits: number, value: number) =>
      put(at, value.toString(8).padStart(digits, "0"));
    put(0, entry.name);
    octal(100, 7, entry.mode ?? (entry.type === "5" ? 0o755 : 0o644));
    octal(108, 7, entry.uid ?? 0);
    octal(116, 7, entry.gid ?? 0);
    octal(124, 11, content.length);
    octal(136, 11, 1767225600);
    put(148, "        ");
    put(156, entry.type ?? "0");
    put(157, entry.link ?? "");
    put(257, "ustar\\x00".replace("\\x00", "\0"));
    put(263, "00");
    octal(
      148,
      6,
      header.reduce((sum, byte) => sum + byte, 0),
    );
    header[154] = 0;
    header[155] = 0x20;
    blocks.push(header, content, new Uint8Array((512 - (content.length % 512)) % 512));
  }
  blocks.push(new Uint8Array(1024));
  return Buffer.concat(blocks);
}
