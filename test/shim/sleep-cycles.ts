// One shim through many sleeps: output bursts into its log, execs that are killed, connects and half-open calls at random
// moments; the daemon that takes the events dies by SIGKILL, and at last so does the shim, sometimes. Whatever was written must
// be in the log once, every exit and event must arrive. Also run by scripts/soak-shim.ts.
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { TtrpcClient } from "../../src/wire/ttrpc/client.ts";
import { decode } from "../../src/wire/ttrpc/codec.ts";
import { DeleteResponse, TaskV3 } from "../../src/wire/ttrpc/messages/task.ts";
import { type Host, type Shim, until, writeFifo } from "./harness.ts";

/** What `cycles` may do beyond its rounds, and what it counts as it goes. */
export interface Cycles {
  host: Host;
  rounds: number;
  seed: number;
  /** Kills the daemon that takes the events, and starts it again. */
  killDaemon?: () => Promise<void>;
  /** The shim itself is killed at the end, at a random moment. */
  killShim?: boolean;
  /** Called for each round that began with a shim asleep. */
  onWake?: () => void;
}

/** Numbers that repeat with the seed. */
function dice(seed: number) {
  let state = seed >>> 0;
  return (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** The container's log: line n of it must be "line n"; the last one may be cut where its writer was killed. */
function linesIn(path: string, say: string, cutShort: boolean): number {
  const logged = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [""];
  const last = logged.pop();
  if (last !== "" && !cutShort) throw new Error(`${say}: the log ends inside of a line`);
  logged.forEach((text, n) => {
    const { log } = JSON.parse(text) as { log: string };
    if (log !== `line ${n}\n`) throw new Error(`${say}: line ${n} is ${JSON.stringify(log)}`);
  });
  return logged.length;
}

/** Runs one container's rounds. Throws at the first thing lost. */
export async function cycles(options: Cycles): Promise<void> {
  const { host, rounds, seed } = options;
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
  const { pid: init } = await shim.create();
  await shim.task.start({ id });
  const exit = shim.task.wait({ id });
  const random = dice(seed);
  let lines = 0;
  const say = `seed ${seed}`;
  const slept = () =>
    until(`${say}: the shim sleeps`, () => readlinkSync(`/proc/${shim.pid}/exe`).startsWith("/memfd:"));
  const clients: TtrpcClient[] = [];
  for (let round = 0; round < rounds; round++) {
    // Most rounds begin with a sleeping shim, the others at whatever moment.
    if (random(8) !== 0) {
      await slept();
      options.onWake?.();
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
        // The dearest rounds.
        const dear = random(8);
        if (dear < 2) await execKilled(shim, `e${round}`, random(2) === 0 ? slept : undefined, say);
        else if (dear === 2) await options.killDaemon?.();
        break;
      }
      default: {
        process.kill(shim.pid, (["SIGTERM", "SIGCHLD", "SIGHUP"] as const)[random(3)]!);
        const { pid } = await shim.task.state({ id });
        if (pid === 0) throw new Error(`${say}, round ${round}: no pid`);
      }
    }
  }
  if (options.killShim) {
    exit.catch(() => {});
    const before = linesIn(path, say, true);
    if (random(2) === 0) await slept();
    else writeFifo(shim.fifo("stdin"), `${random(400)}\n`);
    await killed(shim, init, say);
    if (linesIn(path, say, true) < before) throw new Error(`${say}: the log was shortened`);
    for (const client of clients) client.close();
    return;
  }
  await shim.task.closeIO({ id, stdin: true });
  const { exitStatus } = await exit;
  if (exitStatus !== 0) throw new Error(`${say}: the container ended with ${exitStatus}`);
  for (const client of clients) client.close();
  const logged = linesIn(path, say, false);
  if (logged !== lines) throw new Error(`${say}: ${logged} of ${lines} lines are in the log`);
  await shim.task.delete({ id });
  await allTold(host, id, say);
  await shim.task.shutdown({ id });
}

/** An exec that is killed; its exit is told as that. */
async function execKilled(
  shim: Shim,
  execId: string,
  slept: (() => Promise<unknown>) | undefined,
  say: string,
): Promise<void> {
  const { id } = shim;
  await shim.exec(execId, ["/bin/sleep", "1000"]);
  const { pid } = await shim.task.start({ id, execId });
  const waiting = shim.task.wait({ id, execId });
  await slept?.();
  process.kill(pid, "SIGKILL");
  const { exitStatus } = await waiting;
  if (exitStatus !== 137) throw new Error(`${say}, ${execId}: ended with ${exitStatus}`);
  await shim.task.delete({ id, execId });
}

/** The shim dies by SIGKILL: `delete`, as containerd calls it then, ends the container and says how it ended. */
async function killed(shim: Shim, init: number, say: string): Promise<void> {
  process.kill(shim.pid, "SIGKILL");
  const { code, stdout, stderr } = await shim.action("delete");
  if (code !== 0) throw new Error(`${say}: delete after the shim's death: ${stderr}`);
  const { pid, exitStatus } = decode(DeleteResponse, stdout);
  if (pid !== init || exitStatus !== 137)
    throw new Error(`${say}: told pid ${pid} and status ${exitStatus} after the shim's death`);
  await until(`${say}: the container's end`, () => !existsSync(`/proc/${init}`));
}

/** Events may come twice when the daemon dies between taking one and saying so, but each comes, in order. */
async function allTold(host: Host, id: string, say: string): Promise<void> {
  const mine = () => host.events.filter(({ event }) => event["containerId"] === id);
  await until(`${say}: the last event`, () => mine().at(-1)?.topic === "/tasks/delete");
  const once = [
    ...new Set(mine().map(({ topic, event }) => `${topic} ${event["execId"] || event["id"] || ""}`)),
  ];
  const of = (topic: string) =>
    once.filter((each) => each.startsWith(`${topic} `)).map((each) => each.slice(topic.length + 1));
  if (once[0] !== "/tasks/create " || once[1] !== "/tasks/start ")
    throw new Error(`${say}: the first events are ${once.slice(0, 2)}`);
  const started = [...of("/tasks/exec-started"), id].sort().join();
  if (of("/tasks/exit").sort().join() !== started)
    throw new Error(`${say}: exits of ${of("/tasks/exit")}, started ${started}`);
}
