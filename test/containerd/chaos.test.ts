// A few rounds of scripts/chaos-containerd.ts, which does two hundred.
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, bunker } from "../support/binary.ts";
import { chaos } from "./chaos/index.ts";

const why = !built
  ? "dist/bunker is not built"
  : process.getuid?.() !== 0
    ? "needs root"
    : !existsSync("/bin/busybox")
      ? "needs a static busybox"
      : undefined;
const ROUNDS = 8;

test.skipIf(why !== undefined)(
  `kill -9 at ${ROUNDS} random moments loses nothing and leaves nothing${why ? ` (skipped: ${why})` : ""}`,
  async () => {
    let rounds = 0;
    await chaos({
      command: [bunker, "containerd"],
      dir: mkdtempSync(join(tmpdir(), "bunker-chaos-")),
      rounds: ROUNDS,
      seed: Math.floor(Math.random() * 2 ** 31),
      report: () => void rounds++,
    });
    expect(rounds).toBe(ROUNDS);
  },
  120_000,
);
