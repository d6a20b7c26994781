// bun scripts/bench-runtime.ts [--runs N] [--gap MS]: the runtime as whole processes, ours and the real programs in turn (A B A B …),
// medians and the median of the pairs' ratios. Part of `npm run bench`. Machines are noisy: read the ratios, not the milliseconds.
//
// Each command begins `--gap` after the end of the one before, as starts of containers do that have nothing to do with each
// other. On each other's heels they would find cgroup_threadgroup_rwsem still in the state that the last writer left it in, and
// whoever writes `cgroup.procs` (runc, crun) would be spared the RCU grace period (5–16 ms) that such a start has to wait for.
// `--gap 0` shows that case.
import {
  cpSync,
  existsSync,
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

const root = dirname(import.meta.dir);
const binary = join(root, "dist", "bunker");
const { values } = parseArgs({
  options: { runs: { type: "string", default: "21" }, gap: { type: "string", default: "50" } },
});
const runs = Number(values.runs);
const gap = Number(values.gap);

if (process.getuid?.() !== 0) {
  console.error("bench: containers need root");
  process.exit(1);
}
if (!existsSync(binary) || !existsSync("/bin/busybox")) {
  console.error("bench: build first (npm run build), and install busybox-static");
  process.exit(1);
}

const dir = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bunker-bench-"));
const bundle = join(dir, "bundle");
const ours = join(dir, "runc");
symlinkSync(binary, ours);

function makeBundle(): void {
  mkdirSync(join(bundle, "rootfs", "bin"), { recursive: true });
  for (const name of ["dev", "proc", "sys", "etc", "tmp"]) mkdirSync(join(bundle, "rootfs", name));
  cpSync("/bin/busybox", join(bundle, "rootfs", "bin", "busybox"));
  for (const name of ["sh", "true", "sleep"]) {
    linkSync(join(bundle, "rootfs", "bin", "busybox"), join(bundle, "rootfs", "bin", name));
  }
  const spec = Bun.spawnSync([ours, "spec"], { cwd: bundle });
  if (spec.exitCode !== 0) throw new Error(spec.stderr.toString());
}

function configure(args: string[]): void {
  const path = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  config.process.terminal = false;
  config.process.args = args;
  writeFileSync(path, JSON.stringify(config));
}

/** Milliseconds of one command from spawn to exit. Throws when it fails: a failing program is fast. */
function time(command: string[]): number {
  // A file and no pipe: a container that lives on holds its stderr open, and a pipe would be waited for.
  const said = join(dir, "stderr");
  if (gap > 0) Bun.sleepSync(gap);
  const start = performance.now();
  const run = Bun.spawnSync(command, {
    cwd: bundle,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(said),
  });
  const ms = performance.now() - start;
  if (run.exitCode !== 0)
    throw new Error(`${command.join(" ")}: exit ${run.exitCode}: ${readFileSync(said, "utf8")}`);
  return ms;
}

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

interface Program {
  name: string;
  path: string;
}

interface Case {
  name: string;
  /** Runs one round with a program and returns its milliseconds. */
  round: (program: Program, serial: number) => number;
}

const rootOf = (program: Program) => ["--root", join(dir, `state-${program.name}`)];
const command = (program: Program, ...args: string[]) => [program.path, ...rootOf(program), ...args];

const cases: Case[] = [
  { name: "--version", round: (program) => time([program.path, "--version"]) },
  { name: "run true", round: (program, n) => time(command(program, "run", `run-${n}`)) },
  {
    name: "create + start + delete",
    round: (program, n) => {
      const id = `life-${n}`;
      const ms = time(command(program, "create", id)) + time(command(program, "start", id));
      // The container ends by itself; delete --force takes it whether it already has or not.
      return ms + time(command(program, "delete", "--force", id));
    },
  },
  {
    name: "state",
    round: (program) => time(command(program, "state", "standing")),
  },
  {
    name: "exec true",
    round: (program) => time(command(program, "exec", "standing", "/bin/true")),
  },
  { name: "list", round: (program) => time(command(program, "list")) },
];

const programs: Program[] = [
  { name: "bunker", path: ours },
  ...[
    { name: "runc", path: "/usr/sbin/runc" },
    { name: "crun", path: "/usr/bin/crun" },
  ].filter(({ path }) => existsSync(path)),
];

try {
  makeBundle();
  const able: Program[] = [];
  for (const program of programs) {
    configure(["true"]);
    try {
      time(command(program, "run", "probe"));
      configure(["sleep", "100000"]);
      time(command(program, "run", "--detach", "standing"));
      able.push(program);
    } catch (error) {
      console.log(`${program.name}: left out: ${(error as Error).message.trim()}`);
    }
  }
  configure(["true"]);
  console.log(`\n${runs} rounds, whole processes ${gap} ms apart, milliseconds (median)\n`);
  console.log(
    ["".padEnd(26), ...able.map(({ name }) => name.padStart(10)), "  ratio to runc".padStart(16)].join(""),
  );
  for (const one of cases) {
    const times = new Map<string, number[]>(able.map(({ name }) => [name, []]));
    for (let n = 0; n <= runs; n++) {
      for (const program of able) {
        const ms = one.round(program, n);
        if (n > 0) times.get(program.name)!.push(ms); // the first round warms up
      }
    }
    const reference = times.get("runc");
    const ratio = reference
      ? median(times.get("bunker")!.map((ms, i) => ms / reference[i]!)).toFixed(2)
      : "-";
    console.log(
      [
        one.name.padEnd(26),
        ...able.map(({ name }) => median(times.get(name)!).toFixed(1).padStart(10)),
        ratio.padStart(16),
      ].join(""),
    );
  }
} finally {
  for (const program of programs) {
    Bun.spawnSync(command(program, "delete", "--force", "standing"), { stdout: "ignore", stderr: "ignore" });
  }
  rmSync(dir, { recursive: true, force: true });
}
