// npm run build [-- --target linux-x64|linux-x64-musl|linux-arm64|linux-arm64-musl] [-- --outfile PATH] [-- --release VERSION]
// One executable. Why these flags: docs/ARCHITECTURE.md, "The binary".
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { LONG_LIFE, LONG_LIFE_SETTINGS, SHORT_LIFE } from "../src/lives.ts";
import { addPrologue } from "./entry.ts";
import { harden } from "./harden.ts";
import { plainVerbs } from "./plain-verbs.ts";

const root = dirname(import.meta.dir);
const TARGETS = ["linux-x64", "linux-x64-musl", "linux-arm64", "linux-arm64-musl"] as const;

const { values } = parseArgs({
  options: {
    target: { type: "string", default: "linux-x64" },
    outfile: { type: "string" },
    // Instead of package.json's.
    release: { type: "string" },
    // NAME=VALUE, for tests that need a build of another kind.
    define: { type: "string", multiple: true, default: [] },
  },
});
const target = values.target;
if (!(TARGETS as readonly string[]).includes(target)) {
  console.error(`build: unknown target "${target}"; the targets are ${TARGETS.join(", ")}`);
  process.exit(64);
}
const outfile =
  values.outfile ??
  join(root, "dist", target === "linux-x64" ? "bunker" : `bunker-${target.slice("linux-".length)}`);

function gitCommit(): string {
  const { stdout, exitCode } = Bun.spawnSync(["git", "-C", root, "rev-parse", "--short=12", "HEAD"], {
    stderr: "ignore",
  });
  return exitCode === 0 ? stdout.toString().trim() : "unknown";
}

mkdirSync(dirname(outfile), { recursive: true });
const aside = `${outfile}.${process.pid}.new`;
const build = Bun.spawnSync(
  [
    process.execPath,
    "build",
    "--compile",
    `--target=bun-${target}`,
    "--minify",
    "--keep-names",
    "--splitting",
    "--bytecode",
    "--format=esm",
    // The defaults load these four from the current directory of whoever starts a root daemon.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--no-compile-autoload-tsconfig",
    "--no-compile-autoload-package-json",
    `--define=BUNKER_COMMIT=${JSON.stringify(gitCommit())}`,
    ...values.define.map((each) => `--define=${each}`),
    ...(values.release === undefined ? [] : [`--define=BUNKER_RELEASE=${JSON.stringify(values.release)}`]),
    join(root, "src", "main.ts"),
    // What runs on threads of its own: found below /$bunfs/root under its path below src/.
    join(root, "src", "roles", "containerd", "unpack", "worker.ts"),
    `--outfile=${aside}`,
  ],
  { cwd: root, stdout: "pipe", stderr: "pipe" },
);
if (build.exitCode !== 0) {
  process.stderr.write(build.stdout);
  process.stderr.write(build.stderr);
  process.exit(1);
}

const executable = readFileSync(aside);
const changed = harden(executable);
for (const [name, places] of Object.entries(changed)) {
  if (places === 0) {
    console.error(
      `build: ${name} was not found in the executable: this Bun reads it in another way, see scripts/harden.ts`,
    );
    process.exit(1);
  }
}
// Other machines and libcs do without: they start a little slower, and main.ts closes what it can.
const unable = addPrologue(executable, SHORT_LIFE, LONG_LIFE, LONG_LIFE_SETTINGS, plainVerbs);
if (unable && target === "linux-x64") {
  console.error(`build: no prologue: ${unable}; see scripts/entry.ts`);
  process.exit(1);
}
writeFileSync(aside, executable);
chmodSync(aside, 0o755);
renameSync(aside, outfile);
console.log(`${outfile}  ${(executable.length / 1e6).toFixed(0)} MB`);
