// opencontainers/runtime-tools: each program below validation/ counts as one test.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { privately } from "./runtime.ts";
import { type Outcome, output, parseTap, type SuiteRun } from "./tap.ts";

const SECONDS = 120;

export async function runRuntimeTools({
  suite,
  runtime,
  scratch,
  only,
  patience,
}: SuiteRun): Promise<Outcome[]> {
  const names = readdirSync(join(suite, "validation"))
    .filter((name) => existsSync(join(suite, "validation", name, `${name}.t`)))
    .filter((name) => !only || only.test(name))
    .sort();
  if (names.length === 0) throw new Error(`no built test programs below ${suite}/validation`);
  const outcomes: Outcome[] = [];
  for (const name of names) {
    const { text, code } = await output(privately(runtime, [join(suite, "validation", name, `${name}.t`)]), {
      cwd: suite,
      env: { RUNTIME: runtime.path, TMPDIR: scratch },
      seconds: SECONDS * patience,
    });
    const { outcomes: inside, missing } = parseTap(text);
    const wrong = inside.filter((one) => one.result === "not ok");
    const skipped = inside.length > 0 && inside.every((one) => one.result === "skip");
    // Some programs only speak of what is wrong: their plan is empty with an error before it, or they fail. Those that want
    // a document refused say nothing when it was (validation/process_rlimits_fail).
    const silent =
      inside.length === 0 && (text.includes('"error":') || (/^TAP /m.test(text) && !/^1\.\.0$/m.test(text)));
    const bad = code !== 0 || missing || wrong.length > 0 || silent;
    outcomes.push({
      test: name,
      result: bad ? "not ok" : skipped ? "skip" : "ok",
      said: bad ? `exit ${code}\n${text.split("\n").slice(-40).join("\n")}` : "",
    });
    process.stderr.write(`${runtime.name}: ${outcomes.at(-1)!.result} ${name}\n`);
  }
  return outcomes;
}
