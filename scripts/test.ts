// npm test: installs what the tests need, checks types and style, builds the binary, runs every folder of test/ in a
// process of its own, looks whether the host is as it was, and closes with one line of counts.
//   npm test -- runtime shim     only these folders        npm test -- --no-build
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { removeCgroups } from "../test/support/cgroups.ts";
import { census, differences, survivors } from "./census.ts";
import { installPackages } from "./packages.ts";

const root = dirname(import.meta.dir);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "no-build": { type: "boolean", default: false },
    "no-install": { type: "boolean", default: false },
    "no-check": { type: "boolean", default: false },
  },
});

const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs one command as a test of its own: passed when it exits 0. */
function step(name: string, command: string[]): boolean {
  console.log(`\n== ${name}`);
  const run = Bun.spawnSync(command, { cwd: root, stdout: "inherit", stderr: "inherit" });
  counts[run.exitCode === 0 ? "passed" : "failed"]++;
  return run.exitCode === 0;
}

/** Adds up what Bun's JUnit report says about one folder. */
function addReport(path: string): boolean {
  const head = /<testsuites [^>]*>/.exec(readFileSync(path, "utf8"))?.[0];
  if (!head) return false;
  const number = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  const skipped = number("skipped");
  counts.failed += failed;
  counts.skipped += skipped;
  counts.passed += number("tests") - failed - skipped;
  return true;
}

const NETNS_MOUNT = "mount /run/netns";
const bin = (name: string) => join(root, "node_modules", ".bin", name);

if (!values["no-install"]) installPackages();
if (!values["no-check"]) {
  step("types", [bin("tsc"), "-p", root]);
  step("style", [bin("biome"), "check", "--error-on-warnings", root]);
}
if (!values["no-build"] && !step("build", [process.execPath, join(root, "scripts", "build.ts")])) {
  console.log("\nThe binary does not build: nothing else can be tested.");
  console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  process.exit(1);
}

const folders = readdirSync(join(root, "test"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== "support" && entry.name !== "fixtures")
  .map((entry) => entry.name)
  .filter((name) => positionals.length === 0 || positionals.includes(name))
  .sort();

const before = census();
// Whatever a test starts inherits this, so that what outlives the run can be told from the rest of the machine.
const run = `bunker-test-${process.pid}`;
const reports = mkdtempSync(join(tmpdir(), "bunker-reports-"));
for (const folder of folders) {
  console.log(`\n== test/${folder}`);
  const report = join(reports, `${folder}.xml`);
  const child = Bun.spawnSync(
    [
      process.execPath,
      "test",
      `./test/${folder}/`,
      "--timeout=120000",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
    ],
    { cwd: root, stdout: "inherit", stderr: "inherit", env: { ...process.env, BUNKER_TEST_RUN: run } },
  );
  let counted = false;
  try {
    counted = addReport(report);
  } catch {
    // No report: the process died. Counted below.
  }
  if (!counted) {
    console.log(
      `test/${folder} ended without a report (exit ${child.exitCode}, signal ${child.signalCode ?? "none"})`,
    );
    counts.failed++;
  } else if (child.exitCode !== 0 && counts.failed === 0) {
    counts.failed++;
  }
}
rmSync(reports, { recursive: true });

// dockerd and containerd leave the parents of their containers' cgroups, as they do everywhere: empty ones that came with
// this run go with it.
for (const name of ["docker", "default", "moby"]) {
  if (!before.cgroups.some((line) => line.endsWith(`/${name}`))) removeCgroups(name);
}

// So does `ip netns add` with the mount that its first use makes of its directory.
if (!before.mounts.includes(NETNS_MOUNT)) Bun.spawnSync(["umount", "/run/netns"], { stderr: "ignore" });

console.log("\n== the host is as it was found");
const left = [...differences(before, census()), ...survivors(run)];
for (const line of left) console.log(`left behind: ${line}`);
counts[left.length === 0 ? "passed" : "failed"]++;

console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed === 0 ? 0 : 1);
