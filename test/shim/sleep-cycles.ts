// One shim through many sleeps: output bursts into its log, execs that are killed, connects and half-open calls at random
// moments. Whatever was written must be in the log once, every exit and event must arrive. Also run by scripts/soak-shim.ts.
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { TtrpcClient } from "../../src/wire/ttrpc/client.ts";
import { TaskV3 } from "../../src/wire/ttrpc/messages/task.ts";
import { type Host, until, writeFifo } from "./harness.ts";

/** Numbers that repeat with the seed. */
function dice(seed: number) {
  let state = seed >>> 0;
  return (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Runs `count` rounds; returns how often the shim was found asleep. Throws at the first thing lost. */
export async function cycles(host: Host, count: number, seed = Date.now()): Promise<{ woken: number }> {
  const id = `cycles-${seed}`;
  const path = join(host.directory, "log", `${id}-json.log`);
  // Each line asks for a burst of so many numbered lines.
  const script =
    'n=0; while read k; do i=0; while [ $i -lt $k ]; do echo "line $n"; n=$((n+1)); i=$((i+1)); done; done';
  const shim = await host
    .shim(id, {
      binary: "",
      args: ["/bin/sh", "-c", script],
      stdin: true,
      annotations: { "bunker.log.path": path },
    })
    .start(3, { BUNKER_SHIM_IDLE: "5" });
  await shim.create();
  await shim.task.start({ id });
  const exit = shim.task.wait({ id });
  const random = dice(seed);
  let woken = 0;
  let lines = 0;
  const say = `seed ${seed}`;
  const slept = () =>
    until(`${say}: the shim sleeps`, () => readlinkSync(`/proc/${shim.pid}/exe`).startsWith("/memfd:"));
  const clients: TtrpcClient[] = [];
  for (let round = 0; round < count; round++) {
    // Most rounds begin with a sleeping shim, the others at whatever moment.
    if (random(8) !== 0) {
      await slept();
      woken++;
    }
    switch (random(5)) {
      case 0: {
        const burst = 1 + random(400);
        lines += burst;
        writeFifo(shim.fifo("stdin"), `${burst}\n`);
        break;
      }
      case 1: {
        const client = await TtrpcClient.connect(shim.socket);
        const { pid } = await client.service(TaskV3).state({ id }, { timeout: 20_000 });
        if (pid === 0) throw new Error(`${say}, round ${round}: no pid`);
        // Some stay open, asleep with the shim.
        if (random(2) === 0) clients.push(client);
        else client.close();
        if (clients.length > 5) clients.shift()?.close();
        break;
      }
      case 2: {
        const client = clients[random(clients.length)];
        if (client) await client.service(TaskV3).connect({ id }, { timeout: 20_000 });
        else await shim.task.connect({ id });
        break;
      }
      case 3: {
        if (random(4) !== 0) break; // the dearest round
        const execId = `e${round}`;
        await shim.exec(execId, ["/bin/sleep", "1000"]);
        const { pid } = await shim.task.start({ id, execId });
        const waiting = shim.task.wait({ id, execId });
        if (random(2) === 0) await slept();
        process.kill(pid, "SIGKILL");
        const { exitStatus } = await waiting;
        if (exitStatus !== 137) throw new Error(`${say}, round ${round}: exec ended with ${exitStatus}`);
        await shim.task.delete({ id, execId });
        break;
      }
      default: {
        process.kill(shim.pid, (["SIGTERM", "SIGCHLD", "SIGHUP"] as const)[random(3)]!);
        const { pid } = await shim.task.state({ id });
        if (pid === 0) throw new Error(`${say}, round ${round}: no pid`);
      }
    }
  }
  await shim.task.closeIO({ id, stdin: true });
  const { exitStatus } = await exit;
  if (exitStatus !== 0) throw new Error(`${say}: the container ended with ${exitStatus}`);
  for (const client of clients) client.close();
  const logged = readFileSync(path, "utf8").trimEnd();
  const texts =
    logged === "" ? [] : logged.split("\n").map((line) => (JSON.parse(line) as { log: string }).log);
  if (texts.length !== lines) throw new Error(`${say}: ${texts.length} of ${lines} lines are in the log`);
  texts.forEach((text, n) => {
    if (text !== `line ${n}\n`) throw new Error(`${say}: line ${n} is ${JSON.stringify(text)}`);
  });
  await shim.task.delete({ id });
  const mine = () => host.events.filter(({ event }) => event["containerId"] === id).map(({ topic }) => topic);
  await until(`${say}: the last event`, () => mine().at(-1) === "/tasks/delete");
  const counted = (topic: string) => mine().filter((each) => each === topic).length;
  if (counted("/tasks/exec-started") + 1 !== counted("/tasks/exit"))
    throw new Error(`${say}: ${counted("/tasks/exit")} exits of ${counted("/tasks/exec-started") + 1}`);
  await shim.task.shutdown({ id });
  return { woken };
}
