// Runs one of the TypeScript scripts beside it under the pinned Bun, installing the npm packages first when they are
// missing or older than the lock file. This is the only file here that plain Node runs.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".package-lock.json");
const lock = join(root, "package-lock.json");

if (!existsSync(stamp) || statSync(stamp).mtimeMs < statSync(lock).mtimeMs) {
  // Not `npm ci`: it refuses a lock file that leaves out other platforms' optional packages, which some registries do not carry.
  const install = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (install.status !== 0) process.exit(install.status ?? 1);
}

// The platform package holds the executable itself, which works even where npm was told not to run install scripts.
const packaged = join(
  root,
  "node_modules",
  "@oven",
  `bun-linux-${process.arch === "arm64" ? "aarch64" : "x64"}`,
  "bin",
  "bun",
);
const bun = existsSync(packaged) ? packaged : join(root, "node_modules", ".bin", "bun");
const [script, ...args] = process.argv.slice(2);
if (!script) {
  console.error("usage: node scripts/bootstrap.mjs SCRIPT [ARG...]");
  process.exit(64);
}
const run = spawnSync(bun, [join(root, script), ...args], { cwd: process.cwd(), stdio: "inherit" });
if (run.error) {
  console.error(`cannot run ${bun}: ${run.error.message}`);
  process.exit(1);
}
process.exit(run.status ?? 1);
