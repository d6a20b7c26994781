// The shim starts once a container and stays for its life: what it loads is listed here, and stays little.
import { expect, test } from "bun:test";
import { join, relative } from "node:path";

const project = join(import.meta.dir, "../..");

/** Every module that importing `entry` can load, and every package or built-in. */
async function graph(entry: string): Promise<{ files: string[]; packages: string[] }> {
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = async (path: string): Promise<void> => {
    if (files.has(path)) return;
    files.add(path);
    if (!path.endsWith(".ts")) return;
    for (const { path: to } of transpiler.scanImports(await Bun.file(path).text())) {
      if (to.startsWith(".")) await visit(Bun.resolveSync(to, join(path, "..")));
      else packages.add(to);
    }
  };
  await visit(join(project, entry));
  return { files: [...files].map((file) => relative(project, file)).sort(), packages: [...packages].sort() };
}

test("the shim loads no library and no built-in but FFI", async () => {
  const { packages } = await graph("src/roles/shim/main.ts");
  expect(packages).toEqual(["bun:ffi"]);
});

test("the shim loads only its own room, the wire and the ground", async () => {
  const { files } = await graph("src/roles/shim/main.ts");
  const foreign = files.filter(
    (file) =>
      !/^(ffi\/|src\/roles\/shim\/|src\/wire\/ttrpc\/|src\/store\/(atomic|jsonlog\/(writer|encode|entries))|src\/observe\/|src\/launcher\/)/.test(
        file,
      ),
  );
  expect(foreign).toEqual([
    "package.json",
    "src/lives.ts",
    "src/self.ts",
    "src/version.ts",
    "src/wire/containerd/id-maps.ts",
    // Loaded for a container whose root is nobody on the host.
    "src/wire/containerd/idmapped-layers.ts",
    "src/wire/containerd/mounting.ts",
    "src/wire/containerd/services.ts",
  ]);
  expect(files.length).toBeLessThan(131);
});

test("ttrpc's messages need no protobuf library", async () => {
  const { packages } = await graph("src/wire/ttrpc/client.ts");
  expect(packages).toEqual([]);
});
