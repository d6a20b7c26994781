// A long life in short: runs, execs, many containers at once, readers that come and go; and what the engine holds meanwhile.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../support/engine.ts";
import { startEngine } from "../support/engine.ts";
import { busyboxRootfs } from "../support/images.ts";
import { makeNetns } from "../support/netns.ts";
import { must, until } from "../support/process.ts";

export interface SoakOptions {
  /** Containers run and removed, one after another on a few lanes. */
  runs: number;
  execs: number;
  /** Containers that live at the same time. */
  crowd: number;
  lanes?: number;
  say?: (text: string) => void;
}

/** What the engine holds while nothing is under way. */
export interface Held {
  descriptors: number;
  /** KiB */
  pss: number;
  /** Live JavaScript objects. */
  objects: number;
}

export interface SoakReport {
  /** Before (warm), and after each part. */
  samples: { after: string; held: Held }[];
  stops: { count: number; slowest: number };
  readers: number;
  /** What is left where nothing should be: shims, mounts, network devices, bundles. */
  left: string[];
}

/** Each with the whole crowd; the rest of the work is shared among them. */
const PARTS = 5;

/** No single step may take longer, on whatever machine: what does has hung. */
const STEP = 60_000;

class Host {
  constructor(readonly engine: Engine) {}

  raw(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    return fetch(`http://docker${path}`, {
      method,
      unix: this.engine.host.slice("unix://".length),
      keepalive: false,
      signal: signal ?? AbortSignal.timeout(STEP),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    } as RequestInit);
  }

  /** Throws, naming the step, when the status is another one or nothing comes in time. */
  async step(expected: number, method: string, path: string, body?: unknown): Promise<string> {
    try {
      const answer = await this.raw(method, path, body);
      const text = await answer.text();
      if (answer.status !== expected) throw new Error(`${answer.status}: ${text}`);
      return text;
    } catch (error) {
      throw new Error(`${method} ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  async create(command: string[], own: object = {}): Promise<string> {
    const text = await this.step(201, "POST", "/containers/create", { Image: "soak", Cmd: command, ...own });
    return (JSON.parse(text) as { Id: string }).Id;
  }

  async start(command: string[], own: object = {}): Promise<string> {
    const id = await this.create(command, own);
    await this.step(204, "POST", `/containers/${id}/start`);
    return id;
  }
}

async function onLanes(count: number, lanes: number, each: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (next < count) await each(next++);
    }),
  );
}

/** `logs -f` and `events` readers: each reads a little and goes; some go without having read anything. */
class Readers {
  count = 0;
  #over = false;
  readonly #lanes: Promise<void>[];

  constructor(host: Host, talker: string) {
    const paths = [
      `/containers/${talker}/logs?stdout=1&follow=1&tail=2`,
      "/events",
      `/containers/${talker}/logs?stdout=1&stderr=1&follow=1&timestamps=1`,
      `/events?filters=${encodeURIComponent('{"type":["container"]}')}`,
      `/containers/${talker}/stats`,
    ];
    this.#lanes = paths.map(async (path) => {
      while (!this.#over) await this.#visit(host, path);
    });
  }

  async #visit(host: Host, path: string): Promise<void> {
    const leave = new AbortController();
    try {
      const answer = await host.raw("GET", path, undefined, leave.signal);
      const reader = answer.body!.getReader();
      const visit = this.count++;
      if (visit % 3 === 0) {
        // Gone at once, with the answer on its way.
        await Bun.sleep(20);
      } else {
        // Nothing may be said for a while; a reader that waits for it is one of those that stay.
        const stay = setTimeout(() => leave.abort(), 400);
        await reader.read();
        clearTimeout(stay);
      }
    } catch (error) {
      if (!leave.signal.aborted) throw error;
    } finally {
      leave.abort();
    }
  }

  async close(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#lanes);
  }
}

async function makeImage(engine: Engine): Promise<void> {
  const rootfs = join(engine.dir, "rootfs");
  await busyboxRootfs(rootfs);
  const archive = join(engine.dir, "soak.tar");
  await must(["tar", "-cf", archive, "-C", rootfs, "."]);
  await must(engine.command(["import", archive, "soak:latest"]));
}

/** Asks the engine for its own account (SIGUSR1) and reads the kernel's. Undefined while a reader has not been missed yet. */
async function look(engine: Engine, living: number): Promise<Held | undefined> {
  const pid = engine.pid();
  const dumps = () => readdirSync(engine.execRoot).filter((name) => name.startsWith("engine-dump-"));
  const before = new Set(dumps());
  process.kill(pid, "SIGUSR1");
  const name = await until("the engine's dump", () => dumps().find((dump) => !before.has(dump)));
  const dump = await until(
    "the dump to be whole",
    () =>
      JSON.parse(readFileSync(join(engine.execRoot, name), "utf8")) as {
        objects: number;
        eventListeners: number;
      },
  );
  if (dump.eventListeners > 0) return undefined;
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  return {
    // A shim whose container is gone waits for the next one for some seconds, at the end of a connection.
    descriptors: readdirSync(`/proc/${pid}/fd`).length - (shims(engine).length - living),
    pss: Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)![1]),
    objects: dump.objects,
  };
}

/** The shims of an engine, as lines of `ps`: of its containers, and those that wait for the next one. */
function shims(engine: Engine): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      return command.includes(engine.dir) && command.includes("shim") ? [`${pid} ${command}`] : [];
    } catch {
      return []; // It has ended.
    }
  });
}

async function leftovers(engine: Engine): Promise<string[]> {
  const left = readdirSync(join(engine.execRoot, "libcontainerd")).map((name) => `bundle ${name}`);
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    if (line.includes(engine.dir)) left.push(`mount ${line}`);
  }
  for (const line of (await must(engine.netns.inside(["ip", "-o", "link"]))).split("\n")) {
    if (/^\d+: veth/.test(line)) left.push(`device ${line}`);
  }
  left.push(...shims(engine).map((line) => `process ${line}`));
  return left;
}

/** Runs it all on an engine of its own. Throws at the first step that fails or hangs. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { runs, execs, crowd, lanes = 4, say = () => {} } = options;
  const report: SoakReport = { samples: [], stops: { count: 0, slowest: 0 }, readers: 0, left: [] };
  await using netns = await makeNetns();
  await using engine = await startEngine(netns);
  await makeImage(engine);
  const host = new Host(engine);

  const run = async (n: number): Promise<void> => {
    const id = await host.start(["sh", "-c", `echo ${n}; exit ${n % 7}`]);
    const { StatusCode } = JSON.parse(await host.step(200, "POST", `/containers/${id}/wait`));
    if (StatusCode !== n % 7) throw new Error(`run ${n} ended with ${StatusCode}`);
    const log = await host.step(200, "GET", `/containers/${id}/logs?stdout=1`);
    if (!log.endsWith(`${n}\n`)) throw new Error(`run ${n} logged ${JSON.stringify(log)}`);
    await host.step(204, "DELETE", `/containers/${id}`);
  };
  const exec = async (id: string, n: number): Promise<void> => {
    const made = await host.step(201, "POST", `/containers/${id}/exec`, {
      Cmd: ["sh", "-c", `echo ${n}; exit ${n % 5}`],
      AttachStdout: true,
      AttachStderr: true,
    });
    const { Id } = JSON.parse(made) as { Id: string };
    const output = await host.step(200, "POST", `/exec/${Id}/start`, {});
    if (!output.endsWith(`${n}\n`)) throw new Error(`exec ${n} said ${JSON.stringify(output)}`);
    const { ExitCode } = JSON.parse(await host.step(200, "GET", `/exec/${Id}/json`));
    if (ExitCode !== n % 5) throw new Error(`exec ${n} ended with ${ExitCode}`);
  };
  const stop = async (id: string): Promise<void> => {
    const start = Date.now();
    await host.step(204, "POST", `/containers/${id}/stop?t=1`);
    report.stops.count++;
    report.stops.slowest = Math.max(report.stops.slowest, Date.now() - start);
  };
  const sample = async (after: string): Promise<void> => {
    const held = await until("all readers of events to be let go", () => look(engine, standing.length + 1));
    report.samples.push({ after, held });
    say(`after ${after}: ${JSON.stringify(held)}`);
  };

  const talker = await host.start(["sh", "-c", "while :; do echo tick; sleep 0.1; done"], {
    HostConfig: { LogConfig: { Type: "json-file", Config: { "max-size": "4k", "max-file": "2" } } },
  });
  const standing = [await host.start(["sleep", "1000000"]), await host.start(["sleep", "1000000"])];
  const work = async (share: number): Promise<void> => {
    await onLanes(Math.ceil(runs * share), lanes, run);
    await onLanes(Math.ceil(execs * share), lanes, (n) => exec(standing[n % standing.length]!, n));
    const ids: string[] = [];
    await onLanes(share < 1 / PARTS ? Math.ceil(crowd / 10) : crowd, lanes, async (n) => {
      // Every other one does not hear of SIGTERM: it is PID 1 without a handler.
      ids.push(
        await host.start(
          n % 2 === 0 ? ["sleep", "1000000"] : ["sh", "-c", "trap exit TERM; while :; do sleep 1; done"],
        ),
      );
    });
    await onLanes(ids.length, lanes * 4, async (n) => {
      await stop(ids[n]!);
      await host.step(204, "DELETE", `/containers/${ids[n]!}?v=1`);
    });
  };
  // What is opened once, compiled, or cached up to a limit, is there after this.
  const warm = new Readers(host, talker);
  await work(0.05);
  await warm.close();
  await sample("warming up");
  for (let part = 1; part <= PARTS; part++) {
    const readers = new Readers(host, talker);
    await work(1 / PARTS);
    await readers.close();
    report.readers += readers.count;
    await sample(`part ${part} of ${PARTS}`);
  }
  for (const id of [...standing, talker]) {
    await stop(id);
    await host.step(204, "DELETE", `/containers/${id}`);
  }
  for (const line of engine.log().split("\n")) {
    if (/Uncaught exception|Unhandled rejection/.test(line)) throw new Error(line);
  }
  await until("shims and devices to be gone", async () => {
    report.left = await leftovers(engine);
    return report.left.length === 0;
  }).catch(() => {});
  return report;
}

/** What grew; empty when everything stayed flat. */
export function growth({ samples }: SoakReport): string[] {
  const [warm, ...later] = samples;
  const first = warm!.held;
  const last = later.at(-1)!.held;
  const grown: string[] = [];
  if (last.descriptors > first.descriptors + 3)
    grown.push(`descriptors: ${first.descriptors} → ${last.descriptors}`);
  // The heap breathes: a collector has garbage to give back at any moment.
  if (last.pss > first.pss * 1.5 + 20_000) grown.push(`PSS: ${first.pss} → ${last.pss} KiB`);
  if (last.objects > first.objects * 1.2 + 5000) grown.push(`objects: ${first.objects} → ${last.objects}`);
  return grown;
}
