// bun scripts/soak-shim.ts [--rounds 10000] [--at-once 2]: sleep and wake of shims under random kills, output bursts and
// connects, as test/shim/sleep-cycles.ts does a hundred times. Ends with an error at the first thing lost.
import { parseArgs } from "node:util";
import { cannot, Host } from "../test/shim/harness.ts";
import { cycles } from "../test/shim/sleep-cycles.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10000" },
    "at-once": { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
  },
});
if (cannot) {
  console.error(`soak-shim: ${cannot}`);
  process.exit(1);
}
const rounds = Number(values.rounds);
const lanes = Number(values["at-once"]);
/** One container's share: its log is checked at the end of each. */
const SHARE = 500;
const host = new Host();
let done = 0;
let woken = 0;
let seed = Number(values.seed);
try {
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (done < rounds) {
        const share = Math.min(SHARE, rounds - done);
        done += share;
        woken += (await cycles(host, share, seed++)).woken;
        console.log(`${done} of ${rounds} rounds begun, ${woken} times woken from sleep, nothing lost`);
      }
    }),
  );
} finally {
  await host.close();
}
