// docker/docker-py's integration tests (pytest), as they stand in a clone. A `venv` beside or in it holds what they import.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../test/support/process.ts";
import type { Outcome, Suite } from "./outcome.ts";

const unescaped = (text: string) =>
  text
    .replaceAll("&#10;", "\n")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");

/** The tests of a JUnit report. */
function readReport(xml: string): Outcome[] {
  const tests = xml.matchAll(
    /<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  );
  return [...tests].map(([, suite = "", name = "", body = ""]) => {
    const bad = /<(failure|error|skipped)[^>]*?message="([^"]*)"/.exec(body);
    return {
      test: `${suite.replace(/^tests\.integration\./, "")}.${unescaped(name)}`,
      result: bad === null ? "passed" : bad[1] === "skipped" ? "skipped" : "failed",
      said: unescaped(bad?.[2] ?? "").slice(0, 600),
    };
  });
}

export const dockerPy: Suite = async (ground, directory) => {
  const report = join(ground.scratch, "pytest.xml");
  const python =
    [join(directory, "venv"), join(directory, "..", "venv")]
      .map((venv) => join(venv, "bin", "python"))
      .find((path) => existsSync(path)) ?? "python3";
  const { stdout, stderr } = await run(
    // One of its tests replaces os.environ for good: from there on the engine has to be at the usual place.
    ground.netns.inside([
      "unshare",
      "--mount",
      "sh",
      "-c",
      'mount -t tmpfs none /run && ln -s "$0" /run/docker.sock && exec "$@"',
      ground.host.slice("unix://".length),
      python,
      "-m",
      "pytest",
      "-q",
      "-p",
      "no:cacheprovider",
      "--timeout=90",
      `--junitxml=${report}`,
      "tests/integration",
    ]),
    {
      cwd: directory,
      env: { ...ground.env, PYTHONPATH: directory, PYTHONDONTWRITEBYTECODE: "1" },
      deadline: 1_800_000,
    },
  );
  if (!existsSync(report)) return [{ test: "pytest", result: "failed", said: stdout + stderr }];
  return readReport(readFileSync(report, "utf8"));
};
