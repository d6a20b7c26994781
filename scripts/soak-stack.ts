// bun scripts/soak-stack.ts [--minutes 3] [--seed N]: the whole stack of dist/bunker under SIGKILLs at random moments: of the engine
// (which is started again), of shims, of containers' processes. Containers write numbered lines all the time. Ends with an error
// when a line is lost or doubled, an exit is not told, or anything hangs.
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { busyboxEngine, noBusyboxEngine } from "../test/support/busybox-engine.ts";
import { until } from "../test/support/process.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    containers: { type: "string", default: "4" },
    seed: { type: "string", default: String(Date.now() % 100_000) },
  },
});
if (noBusyboxEngine) {
  console.error(`soak-stack: ${noBusyboxEngine}`);
  process.exit(1);
}

let dice = Number(values.seed);
const random = (n: number) => {
  dice = (Math.imul(dice, 1664525) + 1013904223) >>> 0;
  return Math.floor((dice / 2 ** 32) * n);
};

/** Lines "n" from 0 on, slowly enough that a shim may sleep between them. */
const talker =
  'n=0; while :; do echo "line $n"; n=$((n+1)); usleep 3000; [ $((n % 200)) = 0 ] && sleep 3; done';

interface Living {
  name: string;
  id: string;
  pid: number;
  waiting: Promise<{ stdout: string }>;
}

function shimOf(id: string): number | undefined {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      if (words[0]!.includes("containerd-shim") && words[words.indexOf("-id") + 1] === id) return Number(pid);
    } catch {
      // It has ended.
    }
  }
  return undefined;
}

const count = { engines: 0, shims: 0, containers: 0, runs: 0, lines: 0 };
console.log(`soak-stack: seed ${values.seed}`);
await using on = await busyboxEngine();
const { engine } = on;
const docker = (...args: string[]) => engine.docker(args);
const living: Living[] = [];
let serial = 0;

async function begin(): Promise<void> {
  const name = `soak${serial++}`;
  const id = await on.run(name, ["sh", "-c", talker]);
  const { Pid } = (await on.api("GET", `/containers/${id}/json`)).json.State;
  living.push({ name, id, pid: Pid, waiting: docker("wait", name) });
}

/** The container has been killed, one way or the other: everybody must say so, and its log must be whole. */
async function ended({ name, id, pid }: Living, shimKilled: boolean): Promise<void> {
  // `docker wait` breaks off when its engine is killed: asked anew it must answer at once.
  const { stdout } = await docker("wait", name);
  if (stdout !== "137\n") throw new Error(`${name}: docker wait says ${JSON.stringify(stdout)}`);
  const { State } = (await on.api("GET", `/containers/${id}/json`)).json;
  if (State.Status !== "exited" || State.Pid !== 0) throw new Error(`${name}: ${JSON.stringify(State)}`);
  const log = (await docker("logs", name)).stdout.split("\n");
  const last = log.pop();
  if (last !== "" && !shimKilled) throw new Error(`${name}: the log ends inside of a line`);
  log.forEach((line, n) => {
    if (line !== `line ${n}`) throw new Error(`${name}: line ${n} of the log is ${JSON.stringify(line)}`);
  });
  count.lines += log.length;
  await until(`${name}: the end of pid ${pid}`, () => {
    try {
      return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
    } catch {
      return true;
    }
  });
  if (shimOf(id) !== undefined) await until(`${name}: the end of its shim`, () => shimOf(id) === undefined);
  await docker("rm", name);
}

const end = Date.now() + Number(values.minutes) * 60_000;
while (living.length < Number(values.containers)) await begin();
while (Date.now() < end) {
  await Bun.sleep(random(2500));
  const at = random(living.length);
  const victim = living[at]!;
  switch (random(5)) {
    case 0:
    case 1:
      await engine.kill();
      // A shim may die while nobody is there.
      if (random(4) === 0) {
        const shim = shimOf(victim.id);
        if (shim) process.kill(shim, "SIGKILL");
        await engine.start();
        living.splice(at, 1);
        await ended(victim, true);
        count.shims++;
        await begin();
      } else await engine.start();
      count.engines++;
      break;
    case 2: {
      process.kill(shimOf(victim.id)!, "SIGKILL");
      living.splice(at, 1);
      await ended(victim, true);
      count.shims++;
      await begin();
      break;
    }
    case 3: {
      process.kill(victim.pid, "SIGKILL");
      living.splice(at, 1);
      await ended(victim, false);
      count.containers++;
      await begin();
      break;
    }
    default: {
      const { code, stdout } = await docker("run", "--rm", "busybox", "sh", "-c", "echo hello; exit 3");
      if (code !== 3 || stdout !== "hello\n") throw new Error(`docker run: ${code} ${stdout}`);
      const inside = await docker("exec", victim.name, "echo", "in");
      if (inside.stdout !== "in\n") throw new Error(`docker exec: ${JSON.stringify(inside)}`);
      count.runs++;
    }
  }
  const ps = (await docker("ps", "-q")).stdout.trim().split("\n").length;
  if (ps !== living.length) throw new Error(`docker ps shows ${ps} of ${living.length}`);
}
console.log(
  `${count.engines} engines, ${count.shims} shims and ${count.containers} containers killed by SIGKILL, ${count.runs} runs and execs between, ${count.lines} lines of log: nothing lost`,
);
