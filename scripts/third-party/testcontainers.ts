// testcontainers-node's own tests (vitest), as they stand in a clone with its dependencies installed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../test/support/process.ts";
import type { Outcome, Suite } from "./outcome.ts";

interface VitestReport {
  testResults: {
    name: string;
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

export const testcontainers: Suite = async (ground, directory) => {
  const report = join(ground.scratch, "vitest.json");
  const { stdout, stderr } = await run(
    ground.netns.inside([
      "node",
      "node_modules/vitest/vitest.mjs",
      "run",
      "packages/testcontainers/src",
      "--reporter=json",
      `--outputFile=${report}`,
      "--testTimeout=60000",
      "--hookTimeout=60000",
      "--maxConcurrency=3",
      // They want images and a plugin of their own: the compose plugin, the reaper.
      "--exclude=**/docker-compose-environment*",
      "--exclude=**/reaper*",
    ]),
    {
      cwd: directory, // Its reaper is an image of its own; what the tests leave goes with the engine.
      env: { ...ground.env, DEBUG: "", TESTCONTAINERS_RYUK_DISABLED: "true" },
      deadline: 2_400_000,
    },
  );
  let found: VitestReport;
  try {
    found = JSON.parse(readFileSync(report, "utf8")) as VitestReport;
  } catch {
    return [{ test: "vitest", result: "failed", said: stdout + stderr }];
  }
  return found.testResults.flatMap((file): Outcome[] => {
    const name = file.name.replace(/^.*\/src\//, "");
    if (file.assertionResults.length === 0) return [{ test: name, result: "failed", said: file.message }];
    return file.assertionResults.map((one) => ({
      test: `${name}: ${one.fullName}`,
      result: one.status === "passed" ? "passed" : one.status === "failed" ? "failed" : "skipped",
      said: one.failureMessages.join("\n").slice(0, 800),
    }));
  });
};
