// The whole stack (client, daemon, shim, runtime) side by side with Debian's docker.io in one run, on one image. Part of
// `npm run bench`; alone: bun scripts/bench-engine.ts [--runs N] [--only NAME]. Read the ratios, not the figures.
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { built } from "../test/support/binary.ts";
import { must } from "../test/support/process.ts";
import { header, inTurn, line, type Row, time } from "./bench-engine/measure.ts";
import { debianStack, IMAGE, imageArchive, ourStack, type Stack } from "./bench-engine/stack.ts";

const MB = 1_000_000;
/** After so long without work everything is at rest: the daemon, and a shim that has not been asked anything. */
const REST = 25_000;
const LINE = `${"0123456789".repeat(9)}012345678\n`;

interface Bench {
  stacks: Stack[];
  /** For files. */
  dir: string;
  runs: number;
  say(row: Row): void;
}

const megabytesPerSecond = (bytes: number, ms: number): number => bytes / MB / (ms / 1000);

async function one({ stacks, runs, say }: Bench): Promise<void> {
  say({
    name: "run --rm true",
    unit: "ms",
    target: 0.12,
    figures: await inTurn(stacks, runs, ({ docker }) => time(docker("run", "--rm", IMAGE, "true"))),
  });
  for (const { docker } of stacks)
    await must(docker("run", "-d", "--name", "standing", IMAGE, "sleep", "100000"));
  say({
    name: "exec true",
    unit: "ms",
    target: 0.3,
    figures: await inTurn(stacks, runs, ({ docker }) => time(docker("exec", "standing", "true"))),
  });
  for (const { docker } of stacks) await must(docker("rm", "-f", "standing"));
}

/** `count` times what `each` does, so many at once. */
async function atOnce(count: number, lanes: number, each: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let left = count;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (left-- > 0) await each();
    }),
  );
  return performance.now() - start;
}

async function fifty({ stacks, say }: Bench): Promise<void> {
  for (const [lanes, name, target] of [
    [1, "50 run --rm, one after another", 0.12],
    [10, "50 run --rm, ten at a time", 0.2],
  ] as const) {
    say({
      name,
      unit: "ms",
      target,
      figures: await inTurn(stacks, 1, ({ docker }) =>
        atOnce(50, lanes, () => time(docker("run", "--rm", IMAGE, "true"))),
      ),
    });
  }
}

async function many({ stacks, runs, say }: Bench): Promise<void> {
  const ps = async (name: string, ...args: string[]): Promise<void> =>
    say({
      name,
      unit: "ms",
      target: 0.7,
      figures: await inTurn(stacks, runs, ({ docker }) => time(docker("ps", ...args))),
    });
  await ps("ps, no container");
  for (const { docker } of stacks) {
    await atOnce(50, 4, () => time(docker("run", "-d", IMAGE, "sleep", "100000")));
  }
  await ps("ps, 50 containers");
  say({
    name: "memory of all, 50 idle containers",
    unit: "MiB",
    target: 0.4,
    // What has just been started has not gone to sleep yet.
    figures: await inTurn(stacks, 1, async ({ memory }) => {
      await Bun.sleep(REST);
      return memory() / 1024;
    }),
  });
  for (const { docker } of stacks) await atOnce(150, 4, () => time(docker("create", IMAGE, "true")));
  await ps("ps -a, 200 containers", "-a");
  const idle = async (docker: Stack["docker"]): Promise<string[]> =>
    (await must(docker("ps", "-q"))).split("\n").filter(Boolean);
  say({
    name: "rm -f of 50 running",
    unit: "ms",
    target: 0.3,
    figures: await inTurn(stacks, 1, async ({ docker }) => time(docker("rm", "-f", ...(await idle(docker))))),
  });
  for (const { docker } of stacks) {
    const rest = (await must(docker("ps", "-aq"))).split("\n").filter(Boolean);
    await must(docker("rm", "-f", ...rest), { deadline: 300_000 });
  }
}

async function logs({ stacks, say, dir }: Bench): Promise<void> {
  const bytes = 100 * MB;
  const lines = join(dir, "lines");
  writeFileSync(lines, LINE.repeat(bytes / LINE.length));
  // busybox's `yes | head -c` makes 150 to 250 MB/s when nobody reads it, so there it is the program that is measured as well.
  const programs = {
    "yes | head": [IMAGE, "sh", "-c", `yes ${LINE.trim()} | head -c ${bytes}`],
    cat: ["-v", `${lines}:/lines:ro`, IMAGE, "cat", "/lines"],
  };
  for (const [by, command] of Object.entries(programs)) {
    const written = await inTurn(stacks, 3, async ({ docker }) => {
      await time(docker("rm", "-f", "talker"));
      const start = performance.now();
      await time(docker("run", "-d", "--name", "talker", ...command));
      await time(docker("wait", "talker"));
      return megabytesPerSecond(bytes, performance.now() - start);
    });
    say({ name: `100 MB of lines logged (${by})`, unit: "MB/s", target: 5, figures: written });
  }
  const read = await inTurn(stacks, 1, async ({ docker, name }) => {
    const into = join(dir, "logs");
    const ms = await time(docker("logs", "talker"), { stdout: into });
    const got = statSync(into).size;
    if (got !== bytes) throw new Error(`${name}: docker logs gave ${got} of ${bytes} bytes`);
    rmSync(into);
    return megabytesPerSecond(bytes, ms);
  });
  say({ name: "the same read by docker logs", unit: "MB/s", target: 5, figures: read });
  for (const { docker } of stacks) await must(docker("rm", "-f", "talker"));
}

async function streams({ stacks, say, dir }: Bench): Promise<void> {
  const bytes = 500 * MB;
  const input = join(dir, "input");
  writeFileSync(input, LINE.repeat(bytes / LINE.length));
  const figures = await inTurn(stacks, 1, async ({ docker }) =>
    megabytesPerSecond(bytes, await time(docker("run", "-i", "--rm", IMAGE, "cat"), { stdin: input })),
  );
  say({ name: "run -i cat of 500 MB", unit: "MB/s", target: 4, figures });
  rmSync(input);
}

async function copies({ stacks, say, dir }: Bench): Promise<void> {
  const bytes = 100 * MB;
  const file = join(dir, "file");
  writeFileSync(file, crypto.getRandomValues(new Uint8Array(65_536)).toBase64().repeat(1145).slice(0, bytes));
  const size = statSync(file).size;
  for (const { docker } of stacks) await must(docker("create", "--name", "box", IMAGE, "true"));
  const into = await inTurn(stacks, 5, async ({ docker }) =>
    megabytesPerSecond(size, await time(docker("cp", file, "box:/tmp/file"))),
  );
  say({ name: "cp of 100 MB in", unit: "MB/s", target: 1, figures: into });
  const out = await inTurn(stacks, 5, async ({ docker, name }) => {
    const copy = join(dir, `copy-${name}`);
    const speed = megabytesPerSecond(size, await time(docker("cp", "box:/tmp/file", copy)));
    rmSync(copy);
    return speed;
  });
  say({ name: "cp of 100 MB out", unit: "MB/s", target: 1, figures: out });
  rmSync(file);
  for (const { docker } of stacks) await must(docker("rm", "box"));
}

async function memory({ stacks, say }: Bench, name: string): Promise<void> {
  say({
    name,
    unit: "MiB",
    target: 0.5,
    figures: await inTurn(stacks, 1, async (stack) => {
      await Bun.sleep(REST);
      return stack.memory() / 1024;
    }),
  });
}

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  fresh: (bench) => memory(bench, "memory of the idle daemon, fresh"),
  one,
  many,
  fifty,
  logs,
  streams,
  copies,
  used: (bench) => memory(bench, "memory of the idle daemon, after use"),
};

/** Starts both stacks, prints the table, and leaves nothing behind. Says why when it cannot run. */
export async function benchEngine(options: { runs: number; only?: string }): Promise<void> {
  if (process.getuid?.() !== 0 || !built || !existsSync("/bin/busybox")) {
    console.error("bench-engine: needs root, a build (npm run build) and busybox-static");
    process.exitCode = 1;
    return;
  }
  // The daemons' private directories go where the benchmark's files go: on tmpfs, so that the disk is not what is measured.
  if (existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm";
  const dir = mkdtempSync(join(tmpdir(), "bunker-bench-"));
  const stacks: Stack[] = [];
  try {
    const archive = await imageArchive(dir);
    stacks.push(await ourStack(archive));
    const debian = await debianStack(archive);
    if (debian) stacks.push(debian);
    console.log(`\n${header(stacks)}`);
    for (const [name, part] of Object.entries(PARTS)) {
      if (options.only !== undefined && !options.only.split(",").includes(name)) continue;
      await part({ stacks, dir, runs: options.runs, say: (row) => console.log(line(row, stacks)) });
    }
  } finally {
    for (const stack of stacks) await stack.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "15" }, only: { type: "string" } },
  });
  await benchEngine({ runs: Number(values.runs), ...(values.only ? { only: values.only } : {}) });
}
