// An archive with its members under another name.
import type { ByteName } from "../../../ffi/tree.ts";
import { END, encodeHeader, paddingOf } from "./encode.ts";
import { TarReader } from "./reader.ts";

/** `from` and what lies below it becomes `to`, hard links' targets too; other members stay. Throws ArchiveError. */
export async function* renameMembers(
  stream: AsyncIterable<Uint8Array>,
  from: ByteName,
  to: ByteName,
): AsyncGenerator<Uint8Array> {
  const old = from === "/" ? "" : from;
  const renamed = (name: ByteName): ByteName =>
    name === old || name.startsWith(`${old}/`) ? to + name.slice(old.length) : name;
  const reader = new TarReader(stream);
  for (let entry = await reader.next(); entry; entry = await reader.next()) {
    // A sparse file's holes would be lost here; the engine sends none.
    const { pieces: _pieces, ...plain } = entry;
    yield encodeHeader({
      ...plain,
      name: renamed(entry.name),
      linkName: entry.type === "link" ? renamed(entry.linkName) : entry.linkName,
    });
    for (let chunk = await reader.read(); chunk; chunk = await reader.read()) yield chunk.slice();
    const padding = paddingOf(entry.size);
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield END;
}
