// testcontainers-node's own tests (vitest), as they stand in a clone with its dependencies installed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../test/support/process.ts";
import type { Outcome, Suite } from "./outcome.ts";

/** Seconds after which what has ended by then is what counts. */
const PATIENCE = Number(process.env["THIRD_PARTY_PATIENCE"] ?? 2400);

const RESULTS: Readonly<Record<string, Outcome["result"]>> = { "✓": "passed", "×": "failed", "↓": "skipped" };

/** What the verbose reporter printed: a line a test, and a block headed FAIL for those that failed of one cause. */
function readReport(text: string): Outcome[] {
  const reasons = new Map<string, string>();
  for (const [, heads = "", reason = ""] of text.matchAll(/^((?: FAIL {2}\S+ > .*\n)+)(.*)/gm)) {
    for (const [, test = ""] of heads.matchAll(/^ FAIL {2}(.*)/gm)) reasons.set(test.trim(), reason);
  }
  return [...text.matchAll(/^ +([✓×↓]) (\S+\.test\.ts > .*?)(?: \d+ms)?$/gm)].map(
    ([, mark = "", test = ""]) => ({
      test: test.replace(/^.*?\/src\//, ""),
      result: RESULTS[mark] ?? "failed",
      said: reasons.get(test.trim()) ?? "",
    }),
  );
}

export const testcontainers: Suite = async (ground, directory) => {
  const { stdout, stderr } = await run(
    ground.netns.inside([
      "timeout",
      "--signal=KILL",
      String(PATIENCE),
      "node",
      "node_modules/vitest/vitest.mjs",
      "run",
      ...(process.env["THIRD_PARTY_ONLY"] ?? "packages/testcontainers/src").split(" "),
      "--reporter=verbose",
      "--testTimeout=60000",
      "--hookTimeout=60000",
      "--maxConcurrency=3",
      // They want images and a plugin of their own: the compose plugin, the reaper.
      "--exclude=**/docker-compose-environment*",
      "--exclude=**/reaper*",
    ]),
    {
      cwd: directory,
      // Its reaper is an image of its own; what the tests leave goes with the engine.
      env: { ...ground.env, DEBUG: "", NO_COLOR: "1", TESTCONTAINERS_RYUK_DISABLED: "true" },
      deadline: (PATIENCE + 60) * 1000,
    },
  );
  writeFileSync(join(ground.scratch, "vitest.txt"), stdout + stderr);
  // The tests are told on the one, what failed on the other.
  const outcomes = readReport(`${stdout}\n${stderr}`);
  return outcomes.length > 0 ? outcomes : [{ test: "vitest", result: "failed", said: stdout + stderr }];
};
