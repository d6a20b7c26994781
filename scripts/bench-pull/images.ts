// What the pull benchmark pulls: Debian with MariaDB, as a real image has it (few layers, many files), and the same files in
// forty layers. Both end with a layer of everything that a tree can hold, for the checker.
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S_IFBLK, S_IFCHR, S_IFIFO } from "../../ffi/constants/fcntl.ts";
import { makedev } from "../../ffi/file.ts";
import { makeNode, setAttribute } from "../../ffi/tree.ts";
import { cached, mariadbImage, writeLayout } from "../../test/support/images.ts";
import { must } from "../../test/support/process.ts";

const AT_FDCWD = -100;

/** Unpacks a layout's layers one over another with GNU tar. The layers of `mariadbImage` have no whiteouts. */
async function flatten(layout: string, into: string): Promise<void> {
  const json = async (path: string) => JSON.parse(await Bun.file(join(layout, path)).text());
  const blob = (digest: string) => `blobs/${digest.replace(":", "/")}`;
  const manifest = await json(blob((await json("index.json")).manifests[0].digest));
  mkdirSync(into, { recursive: true });
  for (const { digest } of manifest.layers) {
    await must(["tar", "--numeric-owner", "-C", into, "-xpzf", join(layout, blob(digest))], {
      deadline: 300_000,
    });
  }
}

/** A directory with one of each: what the last layer holds. `.wh.` names are whiteouts of what lies below. */
function makeOddities(into: string): void {
  const odd = join(into, "odd");
  mkdirSync(odd, { recursive: true });
  const file = (name: string, text = name) => {
    writeFileSync(join(odd, name), text);
    return join(odd, name);
  };
  chmodSync(file("setuid"), 0o4755);
  chmodSync(file("sticky"), 0o1644);
  chmodSync(file("no-permission"), 0);
  chownSync(file("owned"), 1234, 4321);
  chownSync(file("big-owner"), 3_000_000_000, 4_000_000_000);
  utimesSync(file("old"), new Date("1987-06-05T04:03:02Z"), new Date("1987-06-05T04:03:02Z"));
  linkSync(file("linked"), join(odd, "other-name"));
  linkSync(join(odd, "linked"), join(odd, "third-name"));
  symlinkSync("linked", join(odd, "symlink"));
  symlinkSync("/nowhere/at/all", join(odd, "dangling"));
  linkSync(join(odd, "dangling"), join(odd, "dangling-too"));
  file("n".repeat(180));
  file("naïve-ü-名");
  file("empty", "");
  makeNode(AT_FDCWD, join(odd, "fifo"), S_IFIFO | 0o640, 0);
  makeNode(AT_FDCWD, join(odd, "char"), S_IFCHR | 0o666, makedev(1, 3));
  makeNode(AT_FDCWD, join(odd, "block"), S_IFBLK | 0o660, makedev(7, 100));
  const capable = file("capable");
  // cap_net_bind_service=ep: struct vfs_cap_data, revision 2
  setAttribute(
    AT_FDCWD,
    capable,
    "security.capability",
    new Uint8Array([1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  );
  setAttribute(AT_FDCWD, capable, "user.binary", new Uint8Array([0, 255, 10, 61, 128]));
  mkdirSync(join(odd, "sticky-directory"));
  chmodSync(join(odd, "sticky-directory"), 0o3777);
  // Whiteouts: of a file, of a directory, of all that is below a directory.
  mkdirSync(join(into, "etc"), { recursive: true });
  writeFileSync(join(into, "etc", ".wh.issue"), "");
  writeFileSync(join(into, "etc", ".wh.cron.daily"), "");
  mkdirSync(join(into, "usr/share/zoneinfo"), { recursive: true });
  writeFileSync(join(into, "usr/share/zoneinfo", ".wh..wh..opq"), "");
  writeFileSync(join(into, "usr/share/zoneinfo", "only"), "this is left");
  // A directory where the layers below have a file.
  mkdirSync(join(into, "etc", "hostname.d"));
}

function pathsIn(root: string): string[] {
  const paths: string[] = [];
  const walk = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const inner = `${path}/${name}`;
      paths.push(inner);
      if (lstatSync(join(root, inner)).isDirectory()) walk(inner);
    }
  };
  walk(".");
  return paths;
}

/** The files in `count` shares, each with the directories that lead to them, as `COPY` and `RUN` leave them. */
function share(root: string, count: number): string[][] {
  const files = pathsIn(root);
  const size = Math.ceil(files.length / count);
  return Array.from({ length: count }, (_, i) => {
    const own = files.slice(i * size, (i + 1) * size);
    const all = new Set<string>();
    for (const path of own) {
      const parts = path.split("/");
      for (let depth = 2; depth <= parts.length; depth++) all.add(parts.slice(0, depth).join("/"));
    }
    return [...all];
  });
}

const XATTRS = ["--xattrs", "--xattrs-include=*"];

async function build(layout: string, layers: (root: string) => string[][]): Promise<void> {
  const base = await mariadbImage();
  const work = mkdtempSync(join(tmpdir(), "bunker-bench-image-"));
  try {
    const root = join(work, "root");
    await flatten(base, root);
    const lists = layers(root).map((paths, i) => {
      const list = join(work, `list-${i}`);
      writeFileSync(list, paths.join("\n"));
      return [...XATTRS, "--no-recursion", "-T", list];
    });
    const odd = join(work, "odd");
    makeOddities(odd);
    await writeLayout(layout, root, [...lists, [...XATTRS, "-C", odd, "./odd", "./etc", "./usr"]], {
      Cmd: ["sh"],
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    });
  } finally {
    await must(["rm", "-rf", "--one-file-system", work]);
  }
}

/** Debian and MariaDB: three layers of some thousands of files each, and the odd one. */
export const manyFiles = (): Promise<string> =>
  cached("bench-files", (layout) =>
    build(layout, (root) => {
      const paths = pathsIn(root);
      const [lib, data] = ["./usr/lib", "./usr/share"];
      const under = (path: string, top: string) => path === top || path.startsWith(`${top}/`);
      return [
        paths.filter((path) => !under(path, lib) && !under(path, data)),
        paths.filter((path) => under(path, lib)),
        paths.filter((path) => under(path, data)),
      ];
    }),
  );

/** The same files in 39 layers of about as many files each, and the odd one. */
export const manyLayers = (): Promise<string> =>
  cached("bench-layers", (layout) => build(layout, (root) => share(root, 39)));
