// Lives of containers leave nothing behind; the long run is scripts/soak-runtime.ts.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { built } from "../support/binary.ts";
import { run } from "../support/process.ts";
import { unable } from "./ground.ts";

const why = unable || (built ? "" : "dist/bunker is not built");
const script = join(import.meta.dir, "..", "..", "scripts", "soak-runtime.ts");

test.skipIf(why !== "")(`a few lives leave nothing behind${why && ` (skipped: ${why})`}`, async () => {
  const soak = await run([process.execPath, script, "--cycles", "8", "--concurrent", "6"]);
  expect(soak).toMatchObject({ code: 0, stderr: "" });
  expect(soak.stdout.match(/nothing left/g)).toHaveLength(2);
});
