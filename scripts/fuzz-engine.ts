// bun scripts/fuzz-engine.ts [--per-route 1000] [--seed 1] [--only 'POST /build']: fuzzed requests on every route of the engine,
// as test/engine-server/fuzz.test.ts sends a few. Prints what came back, and exits 1 when anything was wrong.
import { parseArgs } from "node:util";
import { campaign, cannotFuzz } from "../test/engine-server/fuzz/campaign.ts";

const { values } = parseArgs({
  options: {
    "per-route": { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    lanes: { type: "string", default: "4" },
    only: { type: "string", default: "" },
  },
});
if (cannotFuzz) {
  console.error(`fuzz-engine: ${cannotFuzz}`);
  process.exit(1);
}
const report = await campaign({
  seed: Number(values.seed),
  perRoute: Number(values["per-route"]),
  lanes: Number(values.lanes),
  only: values.only,
  progress: ({ requests, faults }) => console.log(`${requests} requests, ${faults.length} faults`),
});
const statuses = [...report.statuses].sort(([a], [b]) => a - b).map(([status, n]) => `${status}: ${n}`);
console.log(
  `${report.requests} requests on ${report.routes} routes; answers by status: ${statuses.join(", ")}`,
);
for (const fault of report.faults) console.log(fault);
process.exit(report.faults.length === 0 ? 0 : 1);
