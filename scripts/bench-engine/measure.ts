// Whole client processes, timed; and the table of both stacks.
import { closeSync, openSync } from "node:fs";
import { clientEnvironment, type Stack } from "./stack.ts";

/** Milliseconds of one command from spawn to exit. Throws when it fails: a failing program is fast. */
export async function time(
  command: string[],
  streams: { stdin?: string; stdout?: string } = {},
): Promise<number> {
  const input = streams.stdin === undefined ? "ignore" : openSync(streams.stdin, "r");
  try {
    const start = performance.now();
    const child = Bun.spawn(command, {
      env: clientEnvironment(),
      stdin: input,
      stdout: streams.stdout === undefined ? "ignore" : Bun.file(streams.stdout),
      stderr: "pipe",
    });
    const code = await child.exited;
    const ms = performance.now() - start;
    if (code !== 0) {
      throw new Error(`${command.join(" ")}: exit ${code}: ${await new Response(child.stderr).text()}`);
    }
    return ms;
  } finally {
    if (typeof input === "number") closeSync(input);
  }
}

export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

/** One line of the table: a figure a stack. */
export interface Row {
  name: string;
  unit: "ms" | "MB/s" | "MiB";
  figures: Map<string, number>;
  /** What is asked of ours: at most (ms, MiB) or at least (MB/s) so many times the other's. */
  target: number;
}

/** Runs a round with each stack in turn (A B A B …); the medians. The first round warms up where there are several. */
export async function inTurn(
  stacks: readonly Stack[],
  rounds: number,
  round: (stack: Stack, n: number) => Promise<number>,
): Promise<Map<string, number>> {
  const all = new Map<string, number[]>(stacks.map(({ name }) => [name, []]));
  for (let n = rounds > 1 ? -1 : 0; n < rounds; n++) {
    for (const stack of stacks) {
      const ms = await round(stack, n);
      if (n >= 0) all.get(stack.name)!.push(ms);
    }
  }
  return new Map([...all].map(([name, numbers]) => [name, median(numbers)]));
}

export function header(stacks: readonly Stack[]): string {
  return [
    "".padEnd(36),
    ...stacks.map(({ name }) => name.padStart(12)),
    "ratio".padStart(9),
    "  asked for",
  ].join("");
}

export function line({ name, unit, figures, target }: Row, stacks: readonly Stack[]): string {
  const [ours, other] = stacks.map((stack) => figures.get(stack.name));
  const ratio = ours !== undefined && other !== undefined ? ours / other : undefined;
  const more = unit === "MB/s";
  const met = ratio === undefined ? "" : (more ? ratio >= target : ratio <= target) ? "" : "  MISSED";
  return [
    `${name} (${unit})`.padEnd(36),
    ...stacks.map((stack) => (figures.get(stack.name)?.toFixed(1) ?? "-").padStart(12)),
    (ratio?.toFixed(2) ?? "-").padStart(9),
    `  ${more ? ">=" : "<="} ${target}${met}`,
  ].join("");
}
