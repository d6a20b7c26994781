// Running programs in tests: everything has a deadline, nothing outlives its test.

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  stdin?: string | Uint8Array;
  env?: Record<string, string>;
  cwd?: string;
  /** Milliseconds before the program is killed and the call throws. */
  deadline?: number;
}

/** The environment tests give to programs: a plain one, so that the developer's own settings change nothing. */
export function plainEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const run = process.env["BUNKER_TEST_RUN"];
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/proc/nonexistent",
    LC_ALL: "C.UTF-8",
    TERM: "xterm",
    ...(run ? { BUNKER_TEST_RUN: run } : {}),
    ...extra,
  };
}

/** Runs a program to its end and returns what it said. Throws only when the deadline passes. */
export async function run(command: string[], options: RunOptions = {}): Promise<Result> {
  const { deadline = 60_000 } = options;
  const child = Bun.spawn(command, {
    cwd: options.cwd,
    env: plainEnvironment(options.env),
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, deadline);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  clearTimeout(timer);
  if (late) throw new Error(`${command.join(" ")}: still running after ${deadline} ms\n${stdout}\n${stderr}`);
  return { code, stdout, stderr };
}

/** As `run`, and throws with everything the program said unless it exits 0. Returns stdout. */
export async function must(command: string[], options: RunOptions = {}): Promise<string> {
  const result = await run(command, options);
  if (result.code !== 0) {
    throw new Error(`${command.join(" ")}: exit ${result.code}\n${result.stdout}\n${result.stderr}`);
  }
  return result.stdout;
}

/** Waits until `condition` gives something truthy, asking again at short intervals. Throws after the deadline. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadline = 20_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + deadline;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<T>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${deadline} ms for: ${what}`, { cause: last });
    await Bun.sleep(20);
  }
}
