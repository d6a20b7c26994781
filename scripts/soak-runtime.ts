// bun scripts/soak-runtime.ts [--cycles 1000] [--concurrent 200] [--runtime PATH]: whether lives of containers leave anything
// behind. It runs in pid and mount namespaces of its own, so that every process, mount and network namespace it can see is
// its own, and compares all of that, cgroups of every hierarchy, its descriptors, keys and files before and afterwards.
// Ends with 1 when something is left. Needs root, busybox-static and a built dist/bunker (or another runtime).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { differences, type Snapshot, snapshot } from "./soak/leftovers.ts";
import { Lives } from "./soak/lives.ts";

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "1000" },
    concurrent: { type: "string", default: "200" },
    runtime: { type: "string" },
    /** Set by the first call for the second one, inside of the namespaces. */
    inside: { type: "boolean", default: false },
  },
});

/** Calls itself in namespaces of its own, below a shell that reaps whatever loses its parent. */
async function enter(): Promise<number> {
  const child = Bun.spawn(
    [
      "unshare",
      ...["--pid", "--fork", "--mount", "--mount-proc", "--propagation=private"],
      ...["sh", "-c", '"$@" & wait $!', "sh"],
      ...[process.execPath, import.meta.path, ...process.argv.slice(2), "--inside"],
    ],
    { stdin: "ignore", stdout: "inherit", stderr: "inherit" },
  );
  return child.exited;
}

async function soak(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "bunker-soak-"));
  process.env["TMPDIR"] = directory;
  const runtime = values.runtime ?? join(dirname(import.meta.dir), "dist", "bunker");
  const name = `bunker-soak-${directory.slice(-6)}`;
  try {
    const lives = new Lives(directory, name, runtime);
    // The first life makes what stays: the state directory itself, parents of cgroups.
    await lives.cycle(0);
    // Its keyring goes a moment later.
    const before = { ...snapshot(directory, name), keys: [] };
    let now: Snapshot = before;
    /** Says what is there that was not before; what was killed a moment ago has ten seconds to go. */
    const say = async (what: string) => {
      const end = performance.now() + 10_000;
      let left: string[];
      do {
        await Bun.sleep(50);
        now = snapshot(directory, name);
        left = differences(before, now);
      } while (left.length > 0 && performance.now() < end);
      console.log(`${what}: ${left.length === 0 ? "nothing left" : `left behind:\n  ${left.join("\n  ")}`}`);
      return left.length;
    };
    const started = performance.now();
    const cycles = Number(values.cycles);
    for (let i = 1; i <= cycles; i++) await lives.cycle(i);
    const took = ((performance.now() - started) / 1000).toFixed(1);
    let left = await say(`${cycles} cycles (${lives.kinds.join("; ")}) in ${took} s`);
    const concurrent = Number(values.concurrent);
    const seen = await lives.together(concurrent);
    left += await say(`${concurrent} containers at the same time (${seen})`);
    console.log(
      `compared: ${Object.entries(now)
        .map(([what, list]) => `${what} ${list.length}`)
        .join(", ")}`,
    );
    return left === 0 ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

process.exitCode = values.inside ? await soak() : await enter();
