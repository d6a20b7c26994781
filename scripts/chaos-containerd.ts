// bun scripts/chaos-containerd.ts [--rounds 200] [--seed 1] [--dir DIR]: kill -9 of dist/bunker's containerd at random moments
// during pulls, unpacks, starts and deletes, as test/containerd/chaos.test.ts does a few times. Ends with an error at the first
// thing lost or left.
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chaos } from "../test/containerd/chaos/index.ts";
import { built, bunker } from "../test/support/binary.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    dir: { type: "string" },
  },
});
const why = !built
  ? "dist/bunker is not built"
  : process.getuid?.() !== 0
    ? "needs root"
    : !existsSync("/bin/busybox")
      ? "needs a static busybox"
      : undefined;
if (why) {
  console.error(`chaos-containerd: ${why}`);
  process.exit(1);
}
const rounds = Number(values.rounds);
const lived: number[] = [];
const back: number[] = [];
await chaos({
  command: [bunker, "containerd"],
  dir: values.dir ?? mkdtempSync(join(tmpdir(), "bunker-chaos-")),
  rounds,
  seed: Number(values.seed),
  report(round, figures) {
    lived.push(figures.lived);
    back.push(figures.back);
    const { images, blobs, snapshots, containers, tasks } = figures;
    const held = `${images} images, ${blobs} blobs, ${snapshots} snapshots, ${containers} containers, ${tasks} tasks`;
    console.log(`${round}: killed after ${figures.lived} ms, back in ${figures.back} ms, whole: ${held}`);
  },
});
const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1];
console.log(`${rounds} kills, nothing lost, nothing left; back in ${median(back)} ms (median)`);
