// Runs, execs, a crowd and restless readers: nothing hangs, nothing is left, nothing grows. Few of each here; scripts/soak-engine.ts
// has the long run.
import { expect, test } from "bun:test";
import { built } from "../support/binary.ts";
import { growth, soak } from "./soak.ts";

const why = !built ? "dist/bunker is not built" : process.getuid?.() !== 0 ? "needs root" : undefined;

test.skipIf(why !== undefined)(
  `a soak${why ? ` (skipped: ${why})` : ""}`,
  async () => {
    const report = await soak({ runs: 40, execs: 80, crowd: 8 });
    expect(report.left).toEqual([]);
    expect(growth(report)).toEqual([]);
    expect(report.stops.count).toBeGreaterThan(20);
    expect(report.readers).toBeGreaterThan(0);
  },
  120_000,
);
