// Public conformance suites against two runtimes, side by side:
//   node scripts/bootstrap.mjs scripts/conformance.ts --suite DIR [--suite DIR] [--runtime NAME=PATH]… [--only REGEX] [--patience N] [--verbose]
// DIR is opencontainers/runtime-tools with `runtimetest` and `validation/*/*.t` built, or containers/crun with `tests/init`
// built: this script neither fetches nor builds. Without --runtime: ours from dist/, and the runc on PATH.
// It prints a table, then every test that failed for the first runtime with the last lines it said.
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { runCrunSuite } from "./conformance/crun.ts";
import { runRuntimeTools } from "./conformance/runtime-tools.ts";
import type { Outcome, Runtime } from "./conformance/tap.ts";

const { values } = parseArgs({
  options: {
    suite: { type: "string", multiple: true, default: [] },
    runtime: { type: "string", multiple: true, default: [] },
    only: { type: "string" },
    patience: { type: "string", default: "1" },
    verbose: { type: "boolean", default: false },
  },
});
if (values.suite.length === 0) {
  console.error("usage: conformance.ts --suite DIR [--suite DIR] [--runtime NAME=PATH]… [--only REGEX]");
  process.exit(64);
}
if (process.getuid?.() !== 0) {
  console.error("conformance: containers need root");
  process.exit(1);
}

const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bunker-conformance-"));
const only = values.only === undefined ? undefined : new RegExp(values.only);

function runtimes(): Runtime[] {
  const given = values.runtime.map((one) => {
    const equals = one.indexOf("=");
    return { name: one.slice(0, equals), path: resolve(one.slice(equals + 1)) };
  });
  if (given.length > 0) return given;
  const ours = join(scratch, "runc");
  symlinkSync(join(dirname(import.meta.dir), "dist", "bunker"), ours);
  const theirs = Bun.which("runc");
  return [{ name: "ours", path: ours }, ...(theirs ? [{ name: "runc", path: theirs }] : [])];
}

function count(outcomes: readonly Outcome[], result: Outcome["result"]): number {
  return outcomes.filter((one) => one.result === result).length;
}

/** One suite's results by runtime, as lines. */
function report(suite: string, results: ReadonlyMap<string, Outcome[]>): void {
  const names = [...results.keys()];
  console.log(`\n${suite}`);
  console.log(
    `  ${"".padEnd(10)}${["passed", "failed", "skipped"].map((word) => word.padStart(9)).join("")}`,
  );
  for (const [name, outcomes] of results)
    console.log(
      `  ${name.padEnd(10)}${(["ok", "not ok", "skip"] as const).map((result) => String(count(outcomes, result)).padStart(9)).join("")}`,
    );
  const tests = [...new Set([...results.values()].flatMap((list) => list.map(({ test }) => test)))].sort();
  const of = (name: string, test: string) => results.get(name)?.find((one) => one.test === test);
  const differ = tests.filter((test) =>
    names.some((name) => !["ok", "skip"].includes(of(name, test)?.result ?? "absent")),
  );
  const width = Math.max(0, ...differ.map((test) => test.length)) + 2;
  if (differ.length > 0)
    console.log(`\n  ${"".padEnd(width)}${names.map((name) => name.padEnd(10)).join("")}`);
  for (const test of differ)
    console.log(
      `  ${test.padEnd(width)}${names.map((name) => (of(name, test)?.result ?? "absent").padEnd(10)).join("")}`,
    );
  for (const one of results.get(names[0] ?? "") ?? []) {
    if (one.result !== "not ok" && !(values.verbose && one.result === "skip")) continue;
    console.log(`\n--- ${one.result} for ${names[0]}: ${one.test}\n${one.said}`);
  }
}

let failed = 0;
try {
  const candidates = runtimes();
  for (const suite of values.suite.map((path) => resolve(path))) {
    const run = existsSync(join(suite, "tests", "tests_utils.py")) ? runCrunSuite : runRuntimeTools;
    const results = new Map<string, Outcome[]>();
    for (const runtime of candidates) {
      const aside = join(scratch, `${runtime.name}-work`);
      mkdirSync(aside, { recursive: true });
      results.set(
        runtime.name,
        await run({ suite, runtime, scratch: aside, only, patience: Number(values.patience) }),
      );
    }
    report(suite, results);
    const [first, second] = [...results.values()];
    if (first && second && count(first, "ok") < count(second, "ok")) failed++;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(failed > 0 ? 1 : 0);
