// npm start                     builds, starts an engine on private directories, runs the embedded image, shows who did what
// npm start -- docker run ...   any docker command against such an engine
// Everything it makes is gone when it ends.
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Span, TRACE_VARIABLE } from "../src/observe/trace.ts";

const root = dirname(import.meta.dir);
const binary = join(root, "dist", "bunker");

if (process.getuid?.() !== 0) {
  console.error("npm start: namespaces, mounts and cgroups need root: run it as root");
  process.exit(1);
}

const build = Bun.spawnSync([process.execPath, join(root, "scripts", "build.ts")], {
  stdout: "ignore",
  stderr: "inherit",
});
if (build.exitCode !== 0) process.exit(build.exitCode);

const dir = mkdtempSync(join(tmpdir(), "bunker-start-"));
const socket = join(dir, "docker.sock");
const trace = join(dir, "trace");
for (const name of ["docker", "dockerd"]) symlinkSync(binary, join(dir, name));

const environment = { ...process.env, DOCKER_HOST: `unix://${socket}`, [TRACE_VARIABLE]: trace } as Record<
  string,
  string
>;

// The demonstration needs no network, and a bridge of its own would outlive it. A command of the user's gets the real one.
const words = process.argv.slice(2);
const demonstration = words.length === 0;

const engine = Bun.spawn(
  [
    join(dir, "dockerd"),
    "-H",
    `unix://${socket}`,
    "--data-root",
    join(dir, "data"),
    "--exec-root",
    join(dir, "exec"),
    "--pidfile",
    join(dir, "docker.pid"),
    ...(demonstration ? ["--bridge=none"] : []),
  ],
  {
    env: environment,
    stdin: "ignore",
    stdout: Bun.file(join(dir, "log")),
    stderr: Bun.file(join(dir, "log")),
  },
);

const docker = (args: string[], options: { inherit: boolean }) =>
  Bun.spawn([join(dir, "docker"), ...args], {
    env: environment,
    stdin: options.inherit ? "inherit" : "ignore",
    stdout: options.inherit ? "inherit" : "pipe",
    stderr: options.inherit ? "inherit" : "pipe",
  });

async function ready(): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    if (engine.exitCode !== null || Date.now() > deadline) {
      throw new Error(`the engine did not come up:\n${readFileSync(join(dir, "log"), "utf8")}`);
    }
    const answer = await fetch("http://localhost/_ping", { unix: socket }).catch(() => null);
    if (answer?.ok) return;
    await Bun.sleep(5);
  }
}

async function cleanUp(): Promise<void> {
  const list = docker(["ps", "-aq"], { inherit: false });
  const ids = (await new Response(list.stdout as ReadableStream).text()).split("\n").filter(Boolean);
  if (ids.length > 0) await docker(["rm", "-f", ...ids], { inherit: false }).exited;
  engine.kill("SIGTERM");
  await engine.exited;
  rmSync(dir, { recursive: true, force: true });
}

/** What each role did for the container, from the spans that they wrote. */
function showWork(): void {
  if (!existsSync(trace)) return;
  const spans = readFileSync(trace, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Span)
    .sort((a, b) => a.start - b.start);
  const begin = spans.find((span) => span.role === "docker")?.start ?? spans[0]?.start ?? 0;
  console.log("\nWho did what (milliseconds: since the command began, and how long it took)");
  for (const span of spans.filter((one) => one.start >= begin)) {
    const at = (span.start - begin).toFixed(1).padStart(7);
    console.log(`  ${at}  ${span.ms.toFixed(1).padStart(6)}  ${span.role.padEnd(10)} ${span.name}`);
  }
}

let code = 1;
try {
  await ready();
  if (demonstration) {
    code = await docker(["run", "--rm", "bunker.internal/hello"], { inherit: true }).exited;
    showWork();
  } else {
    const args = words[0] === "docker" ? words.slice(1) : words;
    code = await docker(args, { inherit: true }).exited;
  }
} catch (error) {
  console.error((error as Error).message);
} finally {
  await cleanUp();
}
process.exit(code);
