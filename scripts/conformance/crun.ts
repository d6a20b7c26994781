// containers/crun: tests/test_*.py, each of which holds many tests. They speak crun's own global flags, so a runtime that
// lacks them is called through a small adapter, the same for every such runtime.
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { privately, said } from "./runtime.ts";
import { type Outcome, onTerminal, output, parseTap, type Runtime, type SuiteRun } from "./tap.ts";

const SECONDS = 200;

export async function runCrunSuite({
  suite,
  runtime,
  scratch,
  only,
  patience,
}: SuiteRun): Promise<Outcome[]> {
  const program = adapted(runtime, scratch);
  const tests = join(suite, "tests");
  const outcomes: Outcome[] = [];
  const files = readdirSync(tests).filter((name) => /^test_.*\.py$/.test(name) && (!only || only.test(name)));
  for (const file of files.sort()) {
    const { text, code } = await output(
      onTerminal(privately(runtime, ["python3", "-u", join(tests, file)])),
      {
        // They make a directory of their own where they stand; its path must not be long, for the sake of unix sockets.
        cwd: scratch,
        env: {
          OCI_RUNTIME: program,
          INIT: join(tests, "init"),
          TMPDIR: scratch,
          PYTHONDONTWRITEBYTECODE: "1",
        },
        seconds: SECONDS * patience,
      },
    );
    const { outcomes: inside, missing } = parseTap(text);
    const prefix = file.replace(/^test_(.*)\.py$/, "$1");
    for (const one of inside) outcomes.push({ ...one, test: `${prefix}/${one.test}` });
    if (missing || inside.length === 0)
      outcomes.push({
        test: `${prefix}/(incomplete)`,
        result: "not ok",
        said: `exit ${code}\n${text.slice(-2000)}`,
      });
    const wrong = inside.filter(({ result }) => result === "not ok").length;
    const skipped = inside.filter(({ result }) => result === "skip").length;
    process.stderr.write(
      `${runtime.name}: ${file}: ${inside.length} tests, ${wrong} failed, ${skipped} skipped\n`,
    );
  }
  return outcomes;
}

/** The runtime itself when it takes crun's flags, else a script that turns them into runc's. */
function adapted(runtime: Runtime, scratch: string): string {
  if (said([runtime.path, "--cgroup-manager", "cgroupfs", "--version"]) !== undefined) return runtime.path;
  const path = join(scratch, "adapter");
  writeFileSync(
    path,
    `#!/bin/bash
# crun's flags as runc's: --cgroup-manager M, --config FILE (its bundle stays the current directory), features in --version.
runtime=${JSON.stringify(runtime.path)}
args=()
while [ $# -gt 0 ]; do
  case $1 in
    --cgroup-manager) [ "$2" = systemd ] && args+=(--systemd-cgroup); shift 2 ;;
    --cgroup-manager=*) [ "$1" = --cgroup-manager=systemd ] && args+=(--systemd-cgroup); shift ;;
    --config) [ "$2" = config.json ] || cp "$2" config.json; shift 2 ;;
    --version)
      "$runtime" --version
      words=
      features=$("$runtime" features 2>/dev/null)
      [[ $features == *'"seccomp": {'*'"enabled": true'* ]] && words="$words +SECCOMP"
      echo "+CAP +EBPF$words"
      exit ;;
    *) args+=("$1"); shift ;;
  esac
done
exec "$runtime" "\${args[@]}"
`,
  );
  chmodSync(path, 0o755);
  return path;
}
