// The house rules, held by a test: who may import whom, what a container's shim and runtime may load, where READMEs stand.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const root = dirname(dirname(import.meta.dir));

function sources(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

interface Import {
  from: string;
  /** A path below the repository, or a package's name. */
  to: string;
  typeOnly: boolean;
  lazy: boolean;
}

/** The imports of a file, static, re-exported and dynamic. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean, lazy: boolean) => {
    const to = specifier.startsWith(".") ? relative(root, resolve(dirname(file), specifier)) : specifier;
    found.push({ from: relative(root, file), to, typeOnly, lazy });
  };
  for (const match of text.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']/gm,
  )) {
    add(match[2]!, match[1] !== undefined, false);
  }
  for (const match of text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g)) add(match[1]!, false, true);
  return found;
}

/** Everything a file loads at once (types and lazy imports cost nothing at start). */
function loadedBy(entry: string): Set<string> {
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const file = join(root, path);
    if (!path.endsWith(".ts") || !existsSync(file)) return;
    for (const one of importsOf(file)) if (!one.typeOnly && !one.lazy) visit(one.to);
  };
  visit(entry);
  return seen;
}

const room = (path: string) => /^src\/roles\/([^/]+)\//.exec(path)?.[1];
const rooms = readdirSync(join(root, "src", "roles"));

describe("the house", () => {
  test("no room imports another; what passes between them is in src/wire", () => {
    const trespasses = sources(join(root, "src"))
      .flatMap(importsOf)
      .filter(({ from, to }) => {
        const there = room(to);
        if (there === undefined || room(from) === there) return false;
        // The places that know rooms by name: the table of roles, and the composition roots of the engine, of ctr and of the shim.
        return !["src/main.ts", "src/compose.ts", "src/compose-ctr.ts", "src/compose-shim.ts"].includes(from);
      });
    expect(trespasses.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("the ground knows nothing of the house", () => {
    const upward = sources(join(root, "ffi"))
      .flatMap(importsOf)
      .filter(({ to }) => to.startsWith("src/"));
    expect(upward.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("spec, store, observe and wire do not reach into a room", () => {
    const inward = ["spec", "store", "observe", "wire", "launcher"]
      .flatMap((folder) => sources(join(root, "src", folder)))
      .flatMap(importsOf)
      .filter(({ to }) => to.startsWith("src/roles/"));
    expect(inward.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test.each([
    ["src/roles/shim/main.ts", ["@bufbuild/protobuf"]],
    ["src/roles/runtime/main.ts", []],
    ["src/main.ts", []],
  ])("%s loads only what it needs", (entry, allowed) => {
    const packages = [...loadedBy(entry)].filter(
      (path) =>
        !path.endsWith(".ts") &&
        !path.endsWith(".json") &&
        !/^(node|bun):|^bun$/.test(path) &&
        !allowed.some((name) => path === name || path.startsWith(`${name}/`)),
    );
    expect(packages).toEqual([]);
    // node:http alone costs more than a whole start of the shim.
    for (const heavy of ["node:http", "node:http2", "node:https"])
      expect(loadedBy(entry).has(heavy)).toBe(false);
  });

  test.each(rooms)("room %s has a README that introduces it", (name) => {
    const readme = readFileSync(join(root, "src", "roles", name, "README.md"), "utf8");
    expect(readme.length).toBeGreaterThan(300);
  });

  test("files stay small enough to hold one idea", () => {
    const long = ["src", "ffi", "scripts"]
      .flatMap((folder) => sources(join(root, folder)))
      .filter((file) => !file.includes("/wire/gen/"))
      .map((file) => ({ file: relative(root, file), lines: readFileSync(file, "utf8").split("\n").length }))
      .filter(({ lines }) => lines > 500);
    expect(long).toEqual([]);
  });

  test("every path that the documents name exists", () => {
    const documents = ["README.md", ...readdirSync(join(root, "docs")).map((name) => join("docs", name))];
    const missing = documents
      .filter((path) => path.endsWith(".md"))
      .flatMap((path) => {
        const text = readFileSync(join(root, path), "utf8");
        return [...text.matchAll(/`((?:src|ffi|scripts|test|docs)\/[\w./-]+)`/g)]
          .map((match) => match[1]!)
          .filter(
            (named) =>
              !existsSync(join(root, named)) ||
              (named.endsWith("/") && !statSync(join(root, named)).isDirectory()),
          )
          .map((named) => `${path}: ${named}`);
      });
    expect(missing).toEqual([]);
  });
});
