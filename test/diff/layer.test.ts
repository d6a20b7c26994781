// Layers made from what a real overlay mount left behind, judged by applying them again and looking with find(1), and by
// GNU tar's listing.
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packLayer } from "../../src/store/changes/layer.ts";
import { type TreeMount, withChanges } from "../../src/store/changes/trees.ts";
import { applyTar } from "../../src/store/tar/extract.ts";
import { listing, Scratch, sh } from "./support.ts";

const root = process.getuid?.() === 0;
const bind = (source: string, access = "ro"): TreeMount => ({
  type: "bind",
  source,
  options: [access, "rbind"],
});

/** What the lower tree is made of. */
const BASE = `
  mkdir -p keep/deep gone/inner opaque/old meta later turned
  echo 1 > keep/deep/file; echo 2 > keep/other; echo 3 > gone/inner/x; echo 4 > opaque/old/y; echo 44 > opaque/z
  echo 5 > meta/owner; echo 6 > file-to-dir; echo 7 > turned/in; ln -s keep link; echo 8 > linked
  echo 9 > rewritten; mkfifo pipe; mknod dev c 1 3; touch -d '2001-02-03 04:05:06.123456789' keep/deep/file keep`;

/** What happens to it: run in the merged view. */
const CHANGES = `
  rm -r gone; rm -r opaque; mkdir opaque; echo new > opaque/fresh; chown 1000:1001 meta/owner; chmod 2755 meta
  rm file-to-dir; mkdir file-to-dir; echo in > file-to-dir/in; rm -r turned; echo file > turned
  ln -sfn later link; ln linked linked-too; echo nine > rewritten; rm pipe; mknod dev2 b 7 1; mkfifo later/pipe2
  echo cap > later/cap; setfattr -n user.note -v hello later/cap; touch -d '2002-02-03 04:05:06.987654321' later/cap
  touch keep/deep/file -d '2001-02-03 04:05:06.123456789'; mkdir -p new/a/b; echo deep > new/a/b/c
  truncate -s 3000000 later/sparse; printf '\\377\\n' > "$(printf 'bin\\377')"; rm keep/other; echo back > keep/other`;

class Overlay implements Disposable {
  readonly scratch = new Scratch();
  readonly base = this.make("base");
  readonly upper = this.make("upper");
  readonly work = this.make("work");
  constructor(
    readonly format = "",
    base = BASE,
  ) {
    sh(["sh", "-ec", base], this.base);
  }
  [Symbol.dispose](): void {
    this.scratch[Symbol.dispose]();
  }
  make(name: string): string {
    const path = join(this.scratch.path, name);
    mkdirSync(path);
    return path;
  }
  mount(upper = this.upper, lower = this.base): TreeMount {
    const options = ["index=off", `workdir=${this.work}`, `upperdir=${upper}`, `lowerdir=${lower}`];
    return { type: "overlay", source: "overlay", options };
  }
  /** Runs a script in the merged view, in a mount namespace that ends with it. */
  inside(script: string, { options } = this.mount()): string {
    const merged = join(this.scratch.path, "merged");
    const all = [...options, ...(this.format === "" ? [] : [this.format])].join(",");
    const lines = `mkdir -p ${merged}; mount -t overlay overlay -o ${all} ${merged}; cd ${merged}\n${script}`;
    return sh(["unshare", "-m", "sh", "-ec", lines]);
  }
}

async function layer(lower: TreeMount[], upper: TreeMount[], tar: string): Promise<string[]> {
  await withChanges(lower, upper, {}, async (changes) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of packLayer(changes)) chunks.push(chunk);
    writeFileSync(tar, Buffer.concat(chunks));
  });
  return sh(["tar", "-tf", tar]).trimEnd().split("\n");
}

const SHOW = `find . -mindepth 1 \\( -type d -printf '%P|d|%m|%U:%G\\n' -o -printf '%P|%y|%m|%U:%G|%s|%T@|%n|%l\\n' \\) | sort
  find . -type f -print0 | sort -z | xargs -0 sha256sum; getfattr -R -h -d -m '^user|^security' . 2>/dev/null; true`;

describe.skipIf(!root)("layers out of overlays (as root)", () => {
  for (const format of ["", "redirect_dir=on"]) {
    test(`what was changed in a container is in the layer, and nothing else ${format}`, async () => {
      using on = new Overlay(format);
      on.inside(CHANGES + (format === "" ? "" : "\n  mv keep moved"));
      const tar = join(on.scratch.path, "layer.tar");
      const names = await layer([bind(on.base)], [on.mount()], tar);
      const gone = format === "" ? "" : ".wh.keep";
      if (gone) expect(names).toContain(gone);
      else {
        expect(names.filter((name) => name.startsWith("keep"))).toEqual(["keep/", "keep/other"]);
        expect(names).toContain("opaque/.wh..wh..opq");
      }
      expect(names.filter((name) => /\.wh\.[^.]/.test(name) && name !== gone)).toEqual(
        expect.arrayContaining([".wh.gone", ".wh.pipe"]),
      );
      // Applied to the same base in a second overlay, it shows the same tree.
      const [again, work] = [on.make("again"), on.make("work2")];
      await applyTar(Bun.file(tar).stream(), again, {
        overlay: { opaque: "trusted.overlay.opaque", lower: [on.base] },
      });
      const second: TreeMount = {
        ...on.mount(),
        options: [`workdir=${work}`, `upperdir=${again}`, `lowerdir=${on.base}`],
      };
      expect(on.inside(SHOW, second)).toBe(on.inside(SHOW));
      // And over a plain directory.
      sh(["cp", "-a", on.base, join(on.scratch.path, "flat")]);
      await applyTar(Bun.file(tar).stream(), join(on.scratch.path, "flat"));
      expect(sh(["sh", "-c", SHOW], join(on.scratch.path, "flat"))).toBe(on.inside(SHOW));
    });
  }

  test("a layer on several layers: what the lower ones hide is not deleted again", async () => {
    using on = new Overlay();
    on.inside("rm -r gone; mkdir opaque/second; echo 1 > later/one");
    const top = on.make("top");
    const stacked = on.mount(top, `${on.upper}:${on.base}`);
    on.inside("rm later/one; mkdir gone; echo back > gone/back; rm -r opaque; mkdir opaque", stacked);
    const lower: TreeMount = {
      type: "overlay",
      source: "overlay",
      options: [`lowerdir=${on.upper}:${on.base}`],
    };
    const names = await layer([lower], [stacked], join(on.scratch.path, "layer.tar"));
    expect(names).toEqual([
      "gone/",
      "gone/back",
      "later/",
      "later/.wh.one",
      "opaque/",
      "opaque/.wh..wh..opq",
    ]);
    // The committed layer, as a view shows it, makes the same.
    const view: TreeMount = {
      type: "overlay",
      source: "overlay",
      options: [`lowerdir=${top}:${on.upper}:${on.base}`],
    };
    expect(await layer([lower], [view], join(on.scratch.path, "view.tar"))).toEqual(names);
    expect(sh(["cmp", join(on.scratch.path, "layer.tar"), join(on.scratch.path, "view.tar")])).toBe("");
  });

  test("two plain trees are compared file by file", async () => {
    using on = new Overlay();
    sh(["cp", "-a", on.base, on.make("flat")]);
    const flat = join(on.scratch.path, "flat", "base");
    expect(await layer([bind(on.base)], [bind(flat)], join(on.scratch.path, "none.tar"))).toEqual([""]);
    sh(["sh", "-ec", CHANGES], flat);
    const tar = join(on.scratch.path, "layer.tar");
    const names = await layer([bind(on.base)], [bind(flat)], tar);
    expect(names).toContain(".wh.gone");
    // A new name of an old file is one with its old name.
    expect(sh(["tar", "-tvf", tar])).toContain("link to linked-too");
    sh(["cp", "-a", on.base, on.make("second")]);
    const second = join(on.scratch.path, "second", "base");
    await applyTar(Bun.file(tar).stream(), second);
    expect(listing(second).map((line) => line.replace(/\|d\|.*/, ""))).toEqual(
      listing(flat).map((line) => line.replace(/\|d\|.*/, "")),
    );
  });

  test("a first layer is the whole tree; sockets stay out", async () => {
    using on = new Overlay();
    const socket = Bun.listen({ unix: join(on.base, "socket"), socket: { data() {} } });
    const names = await layer([], [bind(on.base, "rw")], join(on.scratch.path, "layer.tar"));
    socket.stop(true);
    expect(names).not.toContain("socket");
    expect(names).toContain("keep/deep/file");
    expect(await layer([bind(on.upper)], [bind(on.base)], join(on.scratch.path, "2.tar"))).toEqual(names);
  });

  test("what only overlayfs must see does not get into a layer", async () => {
    using on = new Overlay();
    on.inside("echo x > later/x");
    const names = await layer([bind(on.base)], [on.mount()], join(on.scratch.path, "layer.tar"));
    expect(names).toEqual(["later/", "later/x"]);
    expect(await Bun.file(join(on.scratch.path, "layer.tar")).text()).not.toContain("overlay");
  });
});
