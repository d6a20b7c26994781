// Running one test program that speaks TAP (testanything.org), and reading what it says.

export interface Runtime {
  name: string;
  path: string;
}

/** One test's result. `said`: the lines before it, for a person who looks for the cause. */
export interface Outcome {
  test: string;
  result: "ok" | "not ok" | "skip";
  said: string;
}

export interface SuiteRun {
  suite: string;
  runtime: Runtime;
  /** A directory of this run's own. */
  scratch: string;
  only: RegExp | undefined;
  /** Multiplies every time-out: more than 1 on a machine that is emulated. */
  patience: number;
}

const KEPT_LINES = 25;

/** Runs a program with its output in one stream; kills it when it takes longer than `seconds`. */
export async function output(
  cmd: string[],
  options: { cwd: string; env: Record<string, string>; seconds: number },
): Promise<{ text: string; code: number | string }> {
  const child = Bun.spawn({
    // A session of its own, so that the time-out reaches its children too.
    cmd: ["setsid", "--wait", "sh", "-c", 'exec "$@" 2>&1', "sh", ...cmd],
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    // Open and silent: a terminal whose other end is at its end of file gets that typed in (man 1 script).
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    // setsid --wait forked: the session's leader is its child.
    const leaders = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(child.pid)]).stdout.toString();
    for (const pid of leaders.split(/\s+/).filter(Boolean)) {
      try {
        process.kill(-Number(pid), "SIGKILL");
      } catch {
        // It has just ended.
      }
    }
    child.kill("SIGKILL");
  }, options.seconds * 1000);
  const [text, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  clearTimeout(timer);
  // A terminal ends its lines as teletypes did.
  const said = text.replaceAll("\r\n", "\n");
  return { text: late ? `${said}\n# stopped after ${options.seconds} s` : said, code: late ? "late" : code };
}

/** The command on a terminal of its own, since some tests look whether they have one. man 1 script */
export function onTerminal(cmd: readonly string[]): string[] {
  const quoted = cmd.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  return ["script", "--quiet", "--flush", "--return", "--command", `exec ${quoted}`, "/dev/null"];
}

/** The results in a TAP stream; `missing` tells whether fewer tests reported than the plan line promised. */
export function parseTap(text: string): { outcomes: Outcome[]; missing: boolean } {
  const outcomes: Outcome[] = [];
  let before: string[] = [];
  let planned: number | undefined;
  for (const line of text.split("\n")) {
    const plan = /^1\.\.(\d+)/.exec(line);
    if (plan) planned = Number(plan[1]);
    const match = /^(not ok|ok)\b\s*\d*\s*-?\s*(.*)$/.exec(line);
    if (!match) {
      before.push(line);
      continue;
    }
    const [name = "", ...rest] = (match[2] ?? "").split("#");
    const skipped = rest.some((part) => /^\s*(SKIP|TODO)/i.test(part));
    outcomes.push({
      test: name.trim(),
      result: skipped ? "skip" : match[1] === "ok" ? "ok" : "not ok",
      said: before.slice(-KEPT_LINES).join("\n"),
    });
    before = [];
  }
  return { outcomes, missing: planned !== undefined && outcomes.length < planned };
}
