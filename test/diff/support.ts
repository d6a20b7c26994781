// Archives built entry by entry, and trees described as text by programs that are not ours.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toByteName } from "../../ffi/tree.ts";
import { END, encodeHeader, paddingOf } from "../../src/store/tar/encode.ts";
import type { EntryType, TarEntry } from "../../src/store/tar/entry.ts";

export interface Member {
  name: string;
  type?: EntryType;
  data?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  link?: string;
  mtime?: number;
  dev?: [number, number];
  attributes?: Record<string, string>;
}

const DEFAULT_MODE: Partial<Record<EntryType, number>> = { directory: 0o755, symlink: 0o777 };

/** A tar archive of these members, with its end marker. */
export function tarOf(...members: Member[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const member of members) {
    const type = member.type ?? (member.name.endsWith("/") ? "directory" : member.link ? "symlink" : "file");
    const data = Buffer.from(member.data ?? "");
    const entry: TarEntry = {
      name: toByteName(member.name),
      type,
      mode: member.mode ?? DEFAULT_MODE[type] ?? 0o644,
      uid: member.uid ?? 0,
      gid: member.gid ?? 0,
      size: data.length,
      mtime: { seconds: member.mtime ?? 1_700_000_000, nanoseconds: 0 },
      linkName: toByteName(member.link ?? ""),
      devMajor: member.dev?.[0] ?? 0,
      devMinor: member.dev?.[1] ?? 0,
      attributes: new Map(Object.entries(member.attributes ?? {}).map(([k, v]) => [k, Buffer.from(v)])),
    };
    parts.push(encodeHeader(entry), data, new Uint8Array(paddingOf(data.length)));
  }
  return Buffer.concat([...parts, END]);
}

/** The bytes as a stream of chunks of `size`, so that every border falls somewhere else. */
export async function* chunked(bytes: Uint8Array, size = 1 << 16): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "bunker-diff-"));
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs a program and returns its output; throws on failure. */
export function sh(command: string[], cwd?: string): string {
  const run = Bun.spawnSync(command, {
    cwd,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    stderr: "pipe",
  });
  if (run.exitCode !== 0) throw new Error(`${command.join(" ")}: ${run.stderr.toString()}`);
  return run.stdout.toString("latin1");
}

/** One line a file: name, type, mode, owner, size, mtime, link count, target — as find(1) sees them. */
export function listing(root: string, times = true): string[] {
  const format = `%P|%y|%m|%U:%G|%s|${times ? "%T@" : ""}|%n|%l\\n`;
  return sh(
    [
      "find",
      ".",
      "-mindepth",
      "1",
      "(",
      "-type",
      "d",
      "-printf",
      format.replace("%s", "").replace("%n", ""),
      "-o",
      "-printf",
      format,
      ")",
    ],
    root,
  )
    .split("\n")
    .filter(Boolean)
    .sort();
}

/** Which names share an inode. */
export function hardLinks(root: string): string[][] {
  const byInode = new Map<string, string[]>();
  for (const line of sh(["find", ".", "-type", "f", "-links", "+1", "-printf", "%i|%P\\n"], root)
    .split("\n")
    .filter(Boolean)) {
    const [inode = "", name = ""] = line.split("|");
    byInode.set(inode, [...(byInode.get(inode) ?? []), name]);
  }
  return [...byInode.values()].map((names) => names.sort()).sort();
}
