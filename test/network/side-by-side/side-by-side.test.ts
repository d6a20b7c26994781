// Every scenario of scenarios.ts on Debian's dockerd and on ours, each on a host of its own with a neighbour; what is seen there
// is compared. Needs root and Debian's docker.io.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { built, realDocker } from "../../support/binary.ts";
import { realDockerd } from "../../support/docker-io.ts";
import { Place } from "./place.ts";
import { SCENARIOS } from "./scenarios.ts";

const why = !built
  ? "dist/bunker is not built"
  : process.getuid?.() !== 0
    ? "needs root"
    : !realDockerd || !realDocker
      ? "Debian's docker.io is not installed"
      : !Bun.which("docker-registry")
        ? "docker-registry is not installed"
        : undefined;

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `over` laid over `under`, field by field. */
function laid(under: unknown, over: unknown): unknown {
  if (!isFields(under) || !isFields(over)) return over;
  const merged: Fields = { ...under };
  for (const [key, value] of Object.entries(over)) merged[key] = laid(under[key], value);
  return merged;
}

describe.skipIf(why !== undefined)(
  `side by side with dockerd 20.10${why ? ` (skipped: ${why})` : ""}`,
  () => {
    let ours: Place;
    let debian: Place;
    beforeAll(async () => {
      [ours, debian] = await Promise.all([Place.open("ours"), Place.open("debian")]);
    }, 120_000);
    afterAll(async () => {
      await ours?.[Symbol.asyncDispose]();
      await debian?.[Symbol.asyncDispose]();
    }, 60_000);

    for (const { name, observe, differs } of SCENARIOS) {
      test(differs ? `${name} (differs: ${differs.why})` : name, async () => {
        const play = async (place: Place) => {
          try {
            return await observe(place);
          } finally {
            await place.clear();
          }
        };
        const [here, there] = await Promise.all([play(ours), play(debian)]);
        expect(here).toEqual(differs ? laid(there, differs.ours) : there);
      }, 60_000);
    }
  },
);
