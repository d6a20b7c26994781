// Whatever is sent to whichever route: a refusal or a real answer, and an engine that lives and leaks no descriptor.
import { afterAll, expect, test } from "bun:test";
import { listCgroups, removeParentsSince } from "../support/cgroups.ts";
import { campaign, cannotFuzz } from "./fuzz/campaign.ts";

const cgroups = listCgroups();
afterAll(() => removeParentsSince(cgroups));

test.skipIf(cannotFuzz !== undefined)(
  `fuzzed requests on every route${cannotFuzz ? ` (skipped: ${cannotFuzz})` : ""}`,
  async () => {
    const { faults, requests, statuses } = await campaign({ seed: 20_240_601, perRoute: 12 });
    expect(faults).toEqual([]);
    // The requests do get in: not all of them are refused at the door.
    expect(requests).toBeGreaterThan(500);
    expect(statuses.get(200) ?? 0).toBeGreaterThan(20);
    expect(statuses.get(201) ?? 0).toBeGreaterThan(5);
  },
  120_000,
);
