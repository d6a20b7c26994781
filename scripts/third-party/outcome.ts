// What a suite tells of each of its tests.
import { run } from "../../test/support/process.ts";
import type { Ground } from "./ground.ts";

export interface Outcome {
  test: string;
  result: "passed" | "failed" | "skipped";
  /** What it said, when it failed or was skipped. */
  said: string;
}

/** Runs a suite that stands in `directory`. */
export type Suite = (ground: Ground, directory: string) => Promise<Outcome[]>;

/** A scenario of one client, step by step: after a failed step the others are skipped. */
export class Steps {
  readonly outcomes: Outcome[] = [];

  constructor(
    private readonly ground: Ground,
    private readonly env: Record<string, string> = {},
  ) {}

  /** Runs a command; it has to exit with `code` and, when given, print what matches. Returns its stdout. */
  async run(
    test: string,
    command: readonly string[],
    wanted: { code?: number; shows?: RegExp; env?: Record<string, string>; cwd?: string } = {},
  ): Promise<string> {
    if (this.outcomes.some(({ result }) => result === "failed")) {
      this.outcomes.push({ test, result: "skipped", said: "an earlier step failed" });
      return "";
    }
    const result = await run(this.ground.netns.inside([...command]), {
      env: { ...this.ground.env, ...this.env, ...wanted.env },
      cwd: wanted.cwd,
      deadline: 300_000,
    }).catch((error: Error) => ({ code: -1, stdout: "", stderr: error.message }));
    const { shows } = wanted;
    const text = result.stdout + result.stderr;
    const shown = shows === undefined || shows.test(result.stdout) || shows.test(text);
    const good = result.code === (wanted.code ?? 0) && shown;
    this.outcomes.push({
      test,
      result: good ? "passed" : "failed",
      said: good ? "" : `${command.join(" ")}: exit ${result.code}\n${text}`,
    });
    return result.stdout;
  }
}
