// apocas/dockerode's own tests (mocha), as they stand in a clone with its dependencies installed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../test/support/process.ts";
import type { Outcome, Suite } from "./outcome.ts";

interface MochaTest {
  fullTitle: string;
  err: { message?: string; stack?: string };
}

export const dockerode: Suite = async (ground, directory) => {
  const report = join(ground.scratch, "mocha.json");
  // Images that its tests take for granted.
  for (const image of ["ubuntu"]) await ground.docker("pull", "-q", image);
  const { stdout, stderr } = await run(
    ground.netns.inside([
      "node",
      "node_modules/mocha/bin/mocha.js",
      "--reporter=json",
      `--reporter-option=output=${report}`,
      "--exit",
    ]),
    // DOCKER_SOCKET makes it read DOCKER_HOST.
    { cwd: directory, env: { ...ground.env, DOCKER_SOCKET: "none" }, deadline: 900_000 },
  );
  let found: { passes: MochaTest[]; failures: MochaTest[]; pending: MochaTest[] };
  try {
    found = JSON.parse(readFileSync(report, "utf8")) as typeof found;
  } catch {
    return [{ test: "mocha", result: "failed", said: stdout + stderr }];
  }
  const outcome =
    (result: Outcome["result"]) =>
    (test: MochaTest): Outcome => ({
      test: test.fullTitle,
      result,
      said: test.err.message ?? test.err.stack ?? "",
    });
  return [
    ...found.passes.map(outcome("passed")),
    ...found.failures.map(outcome("failed")),
    ...found.pending.map(outcome("skipped")),
  ];
};
