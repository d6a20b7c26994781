// bun scripts/soak-engine.ts [--runs 2000] [--execs 10000] [--crowd 200]: test/engine-containers/soak.test.ts with big counts.
// Prints what the engine holds after each part, and exits 1 when something grew, was left, failed or hung.
import { parseArgs } from "node:util";
import { growth, soak } from "../test/engine-containers/soak.ts";
import { built } from "../test/support/binary.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "2000" },
    execs: { type: "string", default: "10000" },
    crowd: { type: "string", default: "200" },
    lanes: { type: "string", default: "4" },
  },
});
if (!built || process.getuid?.() !== 0) {
  console.error("soak-engine: needs root and a build (npm run build)");
  process.exit(1);
}
const start = Date.now();
const report = await soak({
  runs: Number(values.runs),
  execs: Number(values.execs),
  crowd: Number(values.crowd),
  lanes: Number(values.lanes),
  say: (text) => console.log(`${Math.round((Date.now() - start) / 1000)} s: ${text}`),
});
const { stops, readers, left } = report;
console.log(`${readers} readers came and went; ${stops.count} stops, the slowest ${stops.slowest} ms`);
const wrong = [...growth(report), ...left.map((what) => `left: ${what}`)];
for (const what of wrong) console.log(what);
process.exit(wrong.length === 0 ? 0 : 1);
