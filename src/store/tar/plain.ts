// Members of archives that we make up ourselves: root's, dated to the epoch, so that the same content makes the same archive.
import { encodeHeader, paddingOf } from "./encode.ts";
import type { TarEntry } from "./entry.ts";

/** A member of the archive: a file of that size, or a directory. */
export function plainEntry(name: string, size: number, directory = false): TarEntry {
  return {
    name,
    type: directory ? "directory" : "file",
    mode: directory ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkName: "",
    devMajor: 0,
    devMinor: 0,
    attributes: new Map(),
  };
}

/** A whole file with that text. */
export function* plainFile(name: string, content: string): Generator<Uint8Array> {
  const bytes = new TextEncoder().encode(content);
  yield encodeHeader(plainEntry(name, bytes.length));
  yield bytes;
  yield new Uint8Array(paddingOf(bytes.length));
}
