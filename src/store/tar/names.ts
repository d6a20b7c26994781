// Names in an archive, made safe: relative, without "." and "..", never leading above the root.
import { type ByteName, showName } from "../../../ffi/tree.ts";
import { ArchiveError } from "./entry.ts";

/**
 * The parts of a path as seen from the archive's root ("/a/./b/../c" → a, c). Empty for the root itself.
 * Throws ArchiveError for a path that climbs above it: no honest archive holds one.
 */
export function cleanParts(path: ByteName): ByteName[] {
  const parts: ByteName[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new ArchiveError(`${JSON.stringify(showName(path))} is outside of the root file system`);
    }
  }
  return parts;
}

/** Prefix of the names that say "this is gone". image-spec layer.md#whiteouts */
export const WHITEOUT = ".wh.";
/** Prefix of AUFS's own files, which old layers still carry. */
const WHITEOUT_META = ".wh..wh.";
/** Name of the file that says "nothing from below is in this directory". */
export const OPAQUE = ".wh..wh..opq";

/** Whether a part of a path is one of AUFS's own. */
export const isMeta = (part: ByteName): boolean => part.startsWith(WHITEOUT_META);

export type Whiteout = { kind: "opaque" } | { kind: "meta" } | { kind: "whiteout"; name: ByteName };

/** What a file name says about lower layers; undefined for an ordinary one. Throws ArchiveError. */
export function whiteoutOf(base: ByteName): Whiteout | undefined {
  if (!base.startsWith(WHITEOUT)) return undefined;
  if (base === OPAQUE) return { kind: "opaque" };
  if (isMeta(base)) return { kind: "meta" };
  const name = base.slice(WHITEOUT.length);
  if (name === "" || name === "." || name === "..") {
    throw new ArchiveError(`invalid whiteout name: ${JSON.stringify(showName(base))}`);
  }
  return { kind: "whiteout", name };
}
