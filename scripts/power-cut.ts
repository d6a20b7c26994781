// A power cut in the middle of unpacking, or once a pull was acknowledged, again and again:
//   node scripts/bootstrap.mjs scripts/power-cut.ts --kernel VMLINUZ --modules DIR [--cuts 10] [--seed 1] [--keep]
// A virtual machine pulls an image onto a disk that loses what was not flushed when the power goes (scripts/vm/volatile-disk.ts), and
// is killed: at a random moment of a pull, the instant that the pull is acknowledged, or up to two seconds later, in turn. It
// boots again from what is left: the daemon must come up, every committed snapshot must be what its layer says (content, modes, owners,
// times, links, of every file), and what was acknowledged must be there, whole. Needs qemu-system-x86_64, mke2fs, busybox-static,
// cpio, docker-registry and skopeo.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { chainIds } from "../src/spec/oci/image.ts";
import { writeLayout } from "../test/support/images.ts";
import { makeNetns } from "../test/support/netns.ts";
import { must } from "../test/support/process.ts";
import { startRegistry } from "../test/support/registry.ts";
import { copyBusybox, copyLibraries, copyProgram } from "./vm/files.ts";
import { boot } from "./vm/machine.ts";
import { VolatileDisk } from "./vm/volatile-disk.ts";

const root = dirname(import.meta.dir);
const { values } = parseArgs({
  options: {
    kernel: { type: "string" },
    modules: { type: "string" },
    binary: { type: "string", default: join(root, "dist", "bunker") },
    cuts: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    keep: { type: "boolean", default: false },
  },
});
for (const [what, path] of [
  ["a kernel image (--kernel)", values.kernel ?? ""],
  ["the kernel's modules (--modules)", values.modules ?? ""],
  ["the binary (npm run build)", values.binary],
  ["qemu-system-x86_64", Bun.which("qemu-system-x86_64") ?? ""],
  ["docker-registry", Bun.which("docker-registry") ?? ""],
  ["skopeo", Bun.which("skopeo") ?? ""],
] as const)
  if (!existsSync(path)) {
    console.error(`power-cut: ${what} is missing${path && `: ${path}`}`);
    process.exit(64);
  }

/** mulberry32: the same seed gives the same cuts, as far as the machine keeps its pace. */
let state = Number(values.seed) >>> 0;
function random(): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const LAYERS = 4;
const FILES = 400;
const DISK = 1 << 30;
const SETTLED_MS = 300_000;

/** When the power goes, counted from where the pull begins or from where it was acknowledged. */
const MOMENTS = ["in a pull", "at the acknowledgement", "after the acknowledgement"] as const;
/** What the machine waits before it takes the image away again (scripts/vm/power-cut.sh). */
const KEPT_MS = 2000;

/** Layers of small files, most of them a few blocks long: what a lost write would leave empty. */
async function makeImage(layout: string, scratch: string): Promise<string[]> {
  const trees: string[] = [];
  for (let layer = 1; layer <= LAYERS; layer++) {
    const tree = join(scratch, `layer-${layer}`);
    trees.push(tree);
    for (let i = 0; i < FILES; i++) {
      const directory = join(tree, `l${layer}`, `d${i % 20}`);
      mkdirSync(directory, { recursive: true });
      const path = join(directory, `f${i}`);
      const bytes = Buffer.alloc(1 + Math.floor(random() ** 3 * 100_000));
      for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt8(Math.floor(random() * 256), at);
      writeFileSync(path, bytes);
      chmodSync(path, [0o644, 0o755, 0o4755, 0o600][i % 4]!);
      if (i % 25 === 0) linkSync(path, `${path}-linked`);
      if (i % 25 === 1) symlinkSync(`f${i}`, `${path}-symlink`);
    }
    await must(["chown", "-hR", `${layer * 100}:${layer * 200}`, tree]);
  }
  const selections = trees.map((tree) => ["-C", tree, "."]);
  await writeLayout(layout, scratch, selections, { Cmd: ["sh"] });
  return trees;
}

const APPLETS =
  "sh mount mkdir cat echo ls sleep grep sed sort tr diff cmp head find stat readlink sha256sum insmod ip timeout [ true test wc".split(
    " ",
  );
/** In the order they must be loaded; what the kernel has built in is left out. */
const MODULES =
  "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk overlay".split(" ");

async function makeTree(tree: string, scratch: string): Promise<void> {
  for (const name of ["dev", "proc", "sys", "run", "tmp", "etc", "disk", "modules", "expected", "registry"])
    mkdirSync(join(tree, name), { recursive: true });
  copyBusybox(tree, APPLETS);
  for (const [i, module] of MODULES.entries()) {
    const [file] = globSync(join(values.modules!, "**", `${module}.ko`));
    if (file) cpSync(file, join(tree, "modules", `${i}-${module}.ko`));
  }
  copyFileSync(values.binary, join(tree, "bin", "bunker"));
  for (const name of ["containerd", "ctr"]) symlinkSync("bunker", join(tree, "bin", name));
  copyLibraries(tree, values.binary);
  copyProgram(tree, Bun.which("docker-registry")!);
  symlinkSync(Bun.which("docker-registry")!, join(tree, "bin", "docker-registry"));
  const init = join(import.meta.dir, "vm", "power-cut.sh");
  copyFileSync(init, join(tree, "init"));
  chmodSync(join(tree, "init"), 0o755);

  // The image in a registry's own storage, and what its layers must be like.
  const layout = join(scratch, "layout");
  const trees = await makeImage(layout, scratch);
  await using netns = await makeNetns();
  await using registry = await startRegistry(netns);
  await registry.push(layout, "cut:latest");
  cpSync(registry.storage, join(tree, "registry", "data"), { recursive: true });
  writeFileSync(
    join(tree, "registry", "config.yml"),
    'version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: /registry/data}}\nhttp: {addr: "127.0.0.1:5000", secret: test}\n',
  );
  const json = (path: string) => JSON.parse(readFileSync(join(layout, path), "utf8"));
  const blob = (digest: string) => `blobs/${digest.replace(":", "/")}`;
  const manifest = json(blob(json("index.json").manifests[0].digest));
  const chain = chainIds(json(blob(manifest.config.digest)).rootfs.diff_ids);
  writeFileSync(join(tree, "expected", "chain"), `${chain.join("\n")}\n`);
  const describe = /^describe\(\) \{[\s\S]*?^\}/m.exec(readFileSync(init, "utf8"))![0];
  for (const [i, from] of trees.entries()) {
    const said = await must(["/bin/busybox", "sh", "-c", `${describe}\ndescribe "$0"`, from], {
      env: { PATH: join(tree, "bin") },
    });
    writeFileSync(join(tree, "expected", String(i + 1)), said);
  }
}

const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bunker-power-"));
let failures = 0;
try {
  const tree = join(scratch, "tree");
  await makeTree(tree, scratch);
  const image = join(scratch, "disk.img");
  await must(["mke2fs", "-q", "-t", "ext4", image, `${DISK >> 20}M`]);
  const socket = join(scratch, "disk.sock");
  using disk = new VolatileDisk(image, DISK, socket, random);
  /** Whether a pull had been acknowledged when the power went, and not been taken back. */
  let promised = false;
  /** Milliseconds that a whole pull takes here. */
  let pulling = 45_000;
  const cuts: Record<string, number> = Object.fromEntries(MOMENTS.map((moment) => [moment, 0]));
  /** Images that were acknowledged before a cut and whole after it, and files that were held against what they must be. */
  let [survived, compared] = [0, 0];
  for (let cut = 0; cut <= Number(values.cuts); cut++) {
    const last = cut === Number(values.cuts);
    const moment = MOMENTS[cut % MOMENTS.length]!;
    const power = new AbortController();
    disk.on();
    let heard = "";
    let found = false;
    let begun = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const said = await boot({
      kernel: values.kernel!,
      tree,
      scratch,
      drive: `if=virtio,format=raw,cache=none,file=nbd+unix:///?socket=${socket}`,
      memory: "1536M",
      cpus: 1,
      seconds: SETTLED_MS / 1000 + 300,
      signal: power.signal,
      onText(text) {
        heard += text;
        for (let end = heard.indexOf("\n"); end >= 0; end = heard.indexOf("\n")) {
          // The firmware's escape sequences stand before the first line.
          const line = heard
            .slice(0, end)
            .replace(/^.*(?=cut: )/, "")
            .trim();
          heard = heard.slice(end + 1);
          if (line.startsWith("cut: FAILED")) failures++;
          const layers = /^cut: found (\d+) layers committed, (\d+) images, (\d+) files/.exec(line);
          if (layers) {
            found = true;
            compared += Number(layers[3]);
            console.log(`power-cut: ${line.slice("cut: ".length)}`);
            if (promised && (layers[1] !== String(LAYERS) || layers[2] !== "1")) {
              failures++;
              console.log("power-cut: FAILED: an image whose pull had been acknowledged is gone");
            } else if (promised) survived++;
            promised = false;
            if (last) power.abort();
          } else if (line === "cut: pulling") {
            begun = performance.now();
            if (moment === "in a pull") timer ??= setTimeout(() => power.abort(), random() * pulling);
          } else if (line === "cut: pulled") {
            promised = true;
            pulling = performance.now() - begun;
            if (moment === "at the acknowledgement") power.abort();
            else timer ??= setTimeout(() => power.abort(), random() * KEPT_MS);
          } else if (line === "cut: removing") promised = false;
        }
      },
    });
    clearTimeout(timer);
    const { unflushed, kept } = disk.cut();
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
    if (!found || !power.signal.aborted) {
      failures++;
      console.log("power-cut: FAILED: the machine ended by itself, or never came up");
      if (!said.includes("cut: pulling")) break;
    }
    if (!last) {
      // The machine keeps a pace of its own: a pull may have been quicker than the guess, its removal begun before the cut.
      let truly: string = moment;
      if (moment === "in a pull" && promised) truly = "after the acknowledgement";
      else if (moment !== "in a pull" && !promised) truly = "while it was removed";
      cuts[truly] = (cuts[truly] ?? 0) + 1;
      console.log(
        `power-cut: ${cut + 1}: ${truly}, ${((performance.now() - begun) / 1000).toFixed(1)} s from its begin: ` +
          `the machine's memory lost, and of ${mib(unflushed)} MiB in the disk's cache ${mib(unflushed - kept)}; ` +
          `${disk.flushes} flushes so far`,
      );
    }
  }
  const counted = Object.entries(cuts).map(([moment, count]) => `${count} ${moment}`);
  console.log(
    `power-cut: ${values.cuts} cuts (${counted.join(", ")}), ${survived} acknowledged images found whole, ` +
      `${compared} files compared, ${failures} failures`,
  );
} finally {
  if (values.keep) console.error(`power-cut: kept ${scratch}`);
  else rmSync(scratch, { recursive: true, force: true });
}
process.exit(failures === 0 ? 0 : 1);
