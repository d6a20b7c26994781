// When a pipe is left alone between two reads, on a clock of the test's own.
import { describe, expect, test } from "bun:test";
import { Pace } from "../../src/roles/shim/stdio/pace.ts";

const MiB = 1 << 20;

/** A writer of so many bytes a millisecond, read as Bun reads it: 64 KiB at the most. The pauses, and the most that the pipe held. */
function readFrom(rate: number, pace: Pace, reads: number, room = MiB): { pauses: number[]; most: number } {
  const pauses: number[] = [];
  let now = 0;
  let held = 0;
  let most = 0;
  const pass = (ms: number) => {
    now += ms;
    held = Math.min(room, held + rate * ms);
    most = Math.max(most, held);
  };
  for (let i = 0; i < reads; i++) {
    pace.reading(now);
    pass(0.02);
    const bytes = Math.min(held, 64 * 1024);
    held -= bytes;
    const pause = pace.after(bytes, now);
    pauses.push(pause);
    pass(pause);
  }
  return { pauses, most };
}

describe("pace", () => {
  test("what was waited for is followed by no pause", () => {
    const pace = new Pace(MiB);
    for (const now of [0, 50, 100]) {
      pace.reading(now);
      expect(pace.after(100, now + 40)).toBe(0);
    }
  });

  test("a slow writer of many lines gets short pauses", () => {
    const { pauses } = readFrom(1000, new Pace(MiB), 50);
    expect(Math.max(...pauses)).toBe(1);
    expect(pauses.filter((pause) => pause === 1).length).toBeGreaterThan(40);
  });

  test("a fast writer gets long ones, in which the pipe does not fill", () => {
    const { pauses, most } = readFrom(100_000, new Pace(MiB), 500);
    expect(Math.max(...pauses)).toBe(4);
    expect(most).toBeLessThan(MiB);
  });

  test("a writer that fills the pipe is not kept waiting", () => {
    const { pauses } = readFrom(1_000_000, new Pace(MiB), 500);
    expect(pauses.slice(-100).reduce((sum, pause) => sum + pause, 0)).toBeLessThan(20);
  });

  test("a pty is never left alone", () => {
    expect(readFrom(1000, new Pace(0), 20).pauses).toEqual(new Array(20).fill(0));
  });
});
