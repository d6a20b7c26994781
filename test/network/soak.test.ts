// Connections through a published port while the engine is killed and started again; the long run is scripts/soak-network.ts.
import { expect, test } from "bun:test";
import { soak } from "../../scripts/soak-network.ts";
import { built } from "../support/binary.ts";

const why = !built
  ? "dist/bunker is not built"
  : process.getuid?.() !== 0
    ? "needs root"
    : !Bun.which("docker-registry")
      ? "docker-registry is not installed"
      : undefined;

test.skipIf(why !== undefined)(
  `engine restarts break no connection${why ? ` (skipped: ${why})` : ""}`,
  async () => {
    const result = await soak(4);
    expect(result).toMatchObject({ restarts: 4, broken: 0 });
    expect(result.messages).toBeGreaterThan(0);
    expect(result.visits).toBeGreaterThan(0);
  },
);
