// bun scripts/bench-shim-memory.ts [--counts 1,10,50]: PSS of one shim with so many idle containers, ours asleep and awake, and
// containerd's where it is installed.
// PSS shares what is mapped by several processes among them, so read it at the same count. Needs a build: dist/bunker.
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cannot, type FifoReader, Host, realShim, until } from "../test/shim/harness.ts";

const { values } = parseArgs({ options: { counts: { type: "string", default: "1,10,50" } } });
const binary = join(import.meta.dir, "../dist/bunker");
if (cannot || !existsSync(binary)) {
  console.error(`bench-shim-memory: ${cannot ?? "build first (npm run build)"}`);
  process.exit(1);
}
process.env["BUNKER_BINARY"] = binary;

const pss = (pid: number) =>
  Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))![1]);

/** After its last work a shim that stays awake tidies its heap. */
const SETTLE = 5000;

async function measure(count: number, idle: string, program?: readonly string[]): Promise<number> {
  const host = new Host();
  try {
    const pids: number[] = [];
    const readers: FifoReader[] = [];
    for (let n = 0; n < count; n++) {
      const shim = await host
        .shim(`idle${n}`, { program, args: ["/bin/sleep", "1000"] })
        .start(2, { BUNKER_SHIM_IDLE: idle });
      // containerd's shim waits for readers.
      readers.push(shim.reader("stdout"), shim.reader("stderr"));
      await shim.create();
      await shim.task.start({ id: shim.id });
      pids.push(shim.pid);
    }
    if (idle === "0") await Bun.sleep(SETTLE);
    else
      for (const pid of pids)
        await until("the shim sleeps", () => readlinkSync(`/proc/${pid}/exe`).startsWith("/memfd:"));
    for (const reader of readers) reader.close();
    return pids.reduce((sum, pid) => sum + pss(pid), 0) / count;
  } finally {
    await host.close();
  }
}

for (const count of values.counts.split(",").map(Number)) {
  const asleep = await measure(count, "100");
  const awake = await measure(count, "0");
  const theirs = realShim ? `, containerd's ${(await measure(count, "0", [realShim])).toFixed(0)} kB` : "";
  console.log(
    `${count} idle: ${asleep.toFixed(0)} kB PSS a shim asleep, ${awake.toFixed(0)} kB awake${theirs}`,
  );
}
