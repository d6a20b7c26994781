// bun scripts/soak-shim.ts [--wakes 10000] [--at-once 2] [--seed 1]: sleep and wake of shims under random kills (of execs, of the
// daemon above, of the shim itself), output bursts and connects, as test/shim/sleep-cycles.ts does a hundred times. Ends with an
// error at the first thing lost. BUNKER_BINARY names the executable; this checkout's source by default.
import { parseArgs } from "node:util";
import { cannot } from "../test/shim/harness.ts";
import { MortalHost } from "../test/shim/mortal-host.ts";
import { cycles } from "../test/shim/sleep-cycles.ts";

const { values } = parseArgs({
  options: {
    wakes: { type: "string", default: "10000" },
    "at-once": { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
  },
});
if (cannot) {
  console.error(`soak-shim: ${cannot}`);
  process.exit(1);
}
const wanted = Number(values.wakes);
/** One container's share: its log and its events are checked at the end of each. */
const SHARE = 200;
const begun = performance.now();
const count = { woken: 0, rounds: 0, daemons: 0, shims: 0 };
let seed = Number(values.seed);

async function lane(): Promise<void> {
  const host = await MortalHost.make();
  try {
    while (count.woken < wanted) {
      const killShim = seed % 3 === 0;
      await cycles({
        host,
        rounds: SHARE,
        seed: seed++,
        killShim,
        killDaemon: async () => {
          await host.killDaemon();
          count.daemons++;
        },
        onWake: () => count.woken++,
      });
      count.rounds += SHARE;
      if (killShim) count.shims++;
      console.log(
        `${((performance.now() - begun) / 1000).toFixed(0)} s: ${count.rounds} rounds, ${count.woken} times woken from sleep, ${count.daemons} daemons and ${count.shims} shims killed by SIGKILL, nothing lost`,
      );
    }
  } finally {
    await host.close();
  }
}

await Promise.all(Array.from({ length: Number(values["at-once"]) }, lane));
