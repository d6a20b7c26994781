// A tree held against its table.
import { O_DIRECTORY } from "../../../ffi/arch/index.ts";
import { AT_FDCWD, O_RDONLY } from "../../../ffi/constants/fcntl.ts";
import { type ByteName, openName, toByteName } from "../../../ffi/tree.ts";
import { Hasher, type Row, type Table } from "./table.ts";
import { Describer, type Description, walk } from "./walk.ts";

/** Something that is not as it was unpacked. */
export interface Damage {
  path: ByteName;
  /** In words: "content changed", "mode 644, expected 755". */
  what: string;
  /** What is to be there; undefined for what should not be. */
  row: Row | undefined;
  /** Whether the file has to be brought again, and not only its owner, mode and times be set. */
  content: boolean;
}

/** Attributes that a host's security modules give by themselves. */
const HOSTS = /^security\.(selinux|ima|evm|apparmor|SMACK)/;

/** What an overlay mount goes by: of a directory made in passing all that is the layer's own. */
const OVERLAYS = /^(trusted|user)\.overlay\./;

/** The attributes that are the layer's own, as text to compare. */
const own = (attributes: Description["attributes"], implied: boolean) =>
  JSON.stringify(
    Object.entries(attributes ?? {})
      .filter(([name]) => (implied ? OVERLAYS.test(name) : !HOSTS.test(name)))
      .sort(),
  );

function compare(found: Description, row: Row): { what: string[]; content: boolean } {
  if (found.kind !== row.kind) return { what: [`${found.kind}, expected ${row.kind}`], content: true };
  const what: string[] = [];
  const implied = row.implied ?? false;
  const attributes = own(found.attributes, implied) !== own(row.attributes, implied);
  if (attributes) what.push("extended attributes changed");
  if (implied) return { what, content: attributes };
  const differ = (name: "size" | "target" | "device" | "same" | "mode" | "owner" | "mtime"): boolean => {
    if (found[name] === row[name]) return false;
    what.push(`${name} ${found[name] ?? "none"}, expected ${row[name] ?? "none"}`);
    return true;
  };
  const content = (["size", "target", "device", "same"] as const).map(differ).includes(true);
  for (const name of ["mode", "owner", "mtime"] as const) differ(name);
  return { what, content: content || attributes };
}

/** All damage of the tree at `root`, in the order of its paths; what is missing comes last. Reads every file. */
export function* check(root: string, { rows }: Table<unknown>): Generator<Damage> {
  const describer = new Describer();
  const hasher = new Hasher();
  const seen = new Set<ByteName>();
  using top = openName(AT_FDCWD, toByteName(root), O_RDONLY | O_DIRECTORY);
  for (const visit of walk(top)) {
    const { path } = visit;
    const row = rows.get(path);
    if (!row) {
      yield { path, what: "not of this layer", row, content: false };
      continue;
    }
    seen.add(path);
    const { what, content } = compare(describer.describe(visit), row);
    let changed = content;
    if (!content && row.hash !== undefined) {
      let hash: string;
      try {
        hash = hasher.of(visit);
      } catch (error) {
        hash = "";
        what.push(`unreadable: ${(error as Error).message}`);
      }
      if (hash !== row.hash) {
        changed = true;
        what.push("content changed");
      }
    }
    if (what.length > 0) yield { path, what: what.join("; "), row, content: changed };
  }
  for (const [path, row] of rows) if (!seen.has(path)) yield { path, what: "missing", row, content: true };
}
