// node scripts/bootstrap.mjs scripts/bench-pull.ts [--runs N] [--root DIR] [--image files|layers] [--no-check]
// Pulls of one image from one registry on the loopback, by our engine, docker.io's, our containerd and Debian's in turn (A B C D
// A B C D …): each run on a fresh daemon and an empty data root below DIR. Medians, and the medians of the runs' ratios; then the
// unpacked trees of all four, layer by layer, against each other. Machines are noisy: read the ratios.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chainIds } from "../src/spec/oci/image.ts";
import { bunker } from "../test/support/binary.ts";
import { makeNetns } from "../test/support/netns.ts";
import { startRegistry } from "../test/support/registry.ts";
import { differences, readTree, type Tree } from "../test/support/tree.ts";
import { manyFiles, manyLayers } from "./bench-pull/images.ts";
import { type Cost, programs, pullOnce } from "./bench-pull/programs.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "5" },
    root: { type: "string", default: existsSync("/dev/shm") ? "/dev/shm" : tmpdir() },
    image: { type: "string", multiple: true, default: ["files", "layers"] },
    only: { type: "string", multiple: true },
    "no-check": { type: "boolean", default: false },
  },
});
const runs = Number(values.runs);
if (process.getuid?.() !== 0 || !existsSync(bunker)) {
  console.error("bench-pull: build first (npm run build), and run it as root");
  process.exit(64);
}
const able = programs.filter(({ name, missing }) => {
  if (values.only && !values.only.some((part) => name.includes(part))) return false;
  if (missing) console.log(`${name}: left out: ${missing}`);
  return !missing;
});

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

/** Chain ID of a layout's image. */
function chainOf(layout: string): { chainId: string; layers: number; bytes: number } {
  const json = (path: string) => JSON.parse(readFileSync(join(layout, path), "utf8"));
  const blob = (digest: string) => `blobs/${digest.replace(":", "/")}`;
  const manifest = json(blob(json("index.json").manifests[0].digest));
  const chain = chainIds(json(blob(manifest.config.digest)).rootfs.diff_ids);
  const sizes: number[] = manifest.layers.map(({ size }: { size: number }) => size);
  return { chainId: chain.at(-1)!, layers: chain.length, bytes: sizes.reduce((a, b) => a + b) };
}

/** How many lines of differences are printed. */
const SHOWN = 20;

/** Holds every tree against docker.io's (or the first). Prints; returns whether all are the same. */
function compare(trees: Map<string, Tree[]>): boolean {
  const reference = trees.has("docker.io dockerd") ? "docker.io dockerd" : able[0]!.name;
  const expected = trees.get(reference)!;
  const files = expected.reduce((sum, tree) => sum + tree.size, 0);
  console.log(`\ntrees against ${reference}: ${expected.length} layers, ${files} files`);
  let same = true;
  for (const [name, layers] of trees) {
    if (name === reference) continue;
    const lines = layers.flatMap((tree, i) =>
      differences(tree, expected[i] ?? new Map()).map((line) => `layer ${layers.length - 1 - i}: ${line}`),
    );
    if (layers.length !== expected.length)
      lines.unshift(`${layers.length} layers, expected ${expected.length}`);
    console.log(`  ${name}: ${lines.length === 0 ? "identical" : `${lines.length} differences`}`);
    for (const line of lines.slice(0, SHOWN)) console.log(`    ${line}`);
    if (name.startsWith("bunker")) same &&= lines.length === 0;
  }
  return same;
}

let identical = true;
const begun = Date.now();
await using netns = await makeNetns();
await using registry = await startRegistry(netns);
const root = mkdtempSync(join(values.root, "bunker-bench-pull-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

for (const image of values.image) {
  const layout = await (image === "layers" ? manyLayers() : manyFiles());
  const { chainId, layers, bytes } = chainOf(layout);
  await registry.push(layout, `${image}:latest`);
  const reference = `${registry.address}/${image}:latest`;
  const costs = new Map<string, Cost[]>(able.map(({ name }) => [name, []]));
  const trees = new Map<string, Tree[]>();
  for (let run = 0; run <= runs; run++) {
    for (const program of able) {
      const look = run === 0 && !values["no-check"];
      const cost = await pullOnce(program, netns, root, reference, chainId, (layers) => {
        if (look)
          trees.set(
            program.name,
            layers.map((layer) => readTree(layer, { since: begun })),
          );
      });
      // The first round warms up.
      if (run > 0) costs.get(program.name)!.push(cost);
    }
  }
  console.log(
    `\n${image}: ${layers} layers, ${mib(bytes)} MiB; ${runs} runs each below ${values.root}; medians`,
  );
  console.log(
    `${"".padEnd(20)}${["wall ms", "CPU ms", "peak MiB", "of it anonymous", "wall / dockerd", "wall / ctr"].map((word) => word.padStart(16)).join("")}`,
  );
  for (const { name } of able) {
    const own = costs.get(name)!;
    const ratio = (to: string) => {
      const other = costs.get(to);
      return other ? median(own.map(({ wall }, i) => wall / other[i]!.wall)).toFixed(2) : "-";
    };
    const columns = [
      median(own.map(({ wall }) => wall)).toFixed(0),
      median(own.map(({ cpu }) => cpu)).toFixed(0),
      mib(median(own.map(({ peak }) => peak))),
      mib(median(own.map(({ anonymous }) => anonymous))),
      ratio("docker.io dockerd"),
      ratio("containerd and ctr"),
    ];
    console.log(`${name.padEnd(20)}${columns.map((column) => column.padStart(16)).join("")}`);
  }
  if (!values["no-check"]) identical = compare(trees) && identical;
}
process.exitCode = identical ? 0 : 1;
