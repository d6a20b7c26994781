// The fuzzer at work: every route of the table, so many requests each, at an engine that must answer or refuse each one, live,
// and hold nothing afterwards.
import { readdirSync, readlinkSync } from "node:fs";
import { built } from "../../support/binary.ts";
import { type Engine, startEngine } from "../../support/engine.ts";
import { makeNetns } from "../../support/netns.ts";
import { must, until } from "../../support/process.ts";
import { dice } from "./dice.ts";
import { fuzzedRequest } from "./request.ts";
import { type Route, routeTable } from "./routes.ts";
import { exchange, type Outcome } from "./wire.ts";

export const cannotFuzz: string | undefined = !built
  ? "dist/bunker is not built"
  : process.getuid?.() !== 0
    ? "needs root"
    : !Bun.which("tar")
      ? "tar is not installed"
      : undefined;

export interface Report {
  requests: number;
  routes: number;
  /** By status; 0 for a broken request whose connection ended without an answer. */
  statuses: Map<number, number>;
  /** What should not have happened, at most a hundred. */
  faults: string[];
}

// Refusals that are no 4xx in dockerd either: what this engine has not (swarm, plugins, BuildKit), and registries that are not there.
function excused(route: Route, { status, text }: Outcome): boolean {
  if (status === 501)
    return /not implemented|not supported|does not support reading/.test(text) || /plugins/.test(route.path);
  if (status === 503) return /^\/(swarm|nodes|services|tasks|secrets|configs)/.test(route.path);
  const asksRegistry = /^\/(images\/(create|search|:name\{\.\+\}\/push)|distribution\/|auth)/.test(
    route.path,
  );
  return asksRegistry && status === 500;
}

const ending = (text: string): string => text.slice(-300).trim();

function judge(route: Route, partial: boolean, outcome: Outcome, serial: string): string | undefined {
  const where = `${serial} ${route.method} ${route.path}`;
  if (outcome.hung) return `${where}: no answer`;
  if (outcome.status === undefined) return partial ? undefined : `${where}: closed without an answer`;
  if (outcome.status >= 500 && !excused(route, outcome)) {
    return `${where}: ${outcome.status}: ${ending(outcome.text)}`;
  }
  return undefined;
}

/** What a process has open, each as its link in /proc shows it. */
function openFds(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(`${directory}/${fd}`)];
    } catch {
      return [];
    }
  });
}

/** The descriptors once their number stands still: connections end a little after their answers. */
async function settled(pid: number): Promise<string[]> {
  let last = openFds(pid);
  await until("the engine's descriptors to stand still", async () => {
    const previous = last;
    await Bun.sleep(500);
    last = openFds(pid);
    return last.length === previous.length;
  });
  return last;
}

class Target {
  readonly names: string[] = ["fuzz", "victim", "fuzzed", "bridge", "none"];
  constructor(readonly engine: Engine) {}

  get socket(): string {
    return this.engine.host.slice("unix://".length);
  }

  async api(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    const answer = await fetch(`http://docker${path}`, {
      method,
      unix: this.socket,
      // A connection that is kept for later would be one of those that are counted.
      keepalive: false,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    } as RequestInit);
    return { status: answer.status, text: await answer.text() };
  }

  async importImage(): Promise<void> {
    const archive = `${this.engine.dir}/busybox.tar`;
    await must(["tar", "-cf", archive, "-C", "/", "bin/busybox", "--dereference"]);
    await must(this.engine.command(["import", archive, "fuzzed:latest"]));
  }

  /** Makes again what a request may have removed: the image, a running container and an exec of it. */
  async restock(): Promise<void> {
    if ((await this.api("GET", "/images/fuzzed/json")).status !== 200) await this.importImage();
    if ((await this.api("GET", "/containers/victim/json")).status !== 200) {
      await this.api("POST", "/containers/create?name=victim", {
        Image: "fuzzed",
        Cmd: ["/bin/busybox", "sleep", "100000"],
        HostConfig: { Init: true },
      });
    }
    await this.api("POST", "/containers/victim/unpause");
    await this.api("POST", "/containers/victim/start");
    const exec = await this.api("POST", "/containers/victim/exec", { Cmd: ["/bin/busybox", "true"] });
    if (exec.status === 201) this.names[5] = JSON.parse(exec.text).Id;
  }

  async clear(): Promise<void> {
    const ids = async (path: string, of: (value: never) => string): Promise<string[]> =>
      (JSON.parse((await this.api("GET", path)).text) as never[]).map(of);
    for (const id of await ids("/containers/json?all=1", ({ Id }) => Id)) {
      await this.api("DELETE", `/containers/${id}?force=1&v=1`);
    }
    for (const id of await ids('/networks?filters={"type":["custom"]}', ({ Id }) => Id)) {
      await this.api("DELETE", `/networks/${id}`);
    }
    await this.api("POST", '/volumes/prune?filters={"all":["true"]}');
  }
}

/**
 * Starts an engine of its own and sends it `perRoute` requests a route, `lanes` at once. Throws when the engine dies; all else that is wrong is in the report's `faults`.
 */
export async function campaign(options: {
  seed: number;
  perRoute: number;
  lanes?: number;
  /** Part of "METHOD /path": only these routes. */
  only?: string;
  progress?: (report: Report) => void;
}): Promise<Report> {
  const { seed, perRoute, lanes = 4, only = "", progress } = options;
  const table = (await routeTable()).filter(({ method, path }) => `${method} ${path}`.includes(only));
  const report: Report = { requests: 0, routes: table.length, statuses: new Map(), faults: [] };
  const netns = await makeNetns();
  try {
    await using engine = await startEngine(netns, { args: ["--bridge=none", "--max-download-attempts=1"] });
    const target = new Target(engine);
    const pid = engine.pid();

    const work = table.flatMap((route, i) =>
      Array.from({ length: perRoute }, (_, n) => ({ route, seed: seed + i * 1_000_003 + n * 7919 })),
    );
    // Neighbours on the list are of different routes, so that lanes meet.
    work.sort((a, b) => ((a.seed * 2654435761) >>> 0) - ((b.seed * 2654435761) >>> 0));
    let next = 0;
    const lane = async (end: number): Promise<void> => {
      while (next < end) {
        const job = work[next++]!;
        const { route } = job;
        const request = fuzzedRequest(route, dice(job.seed), target.names, "fuzzed");
        const outcome = await exchange(target.socket, request.bytes, request);
        const status = outcome.status ?? 0;
        report.requests++;
        report.statuses.set(status, (report.statuses.get(status) ?? 0) + 1);
        const fault = judge(route, request.partial === true, outcome, `seed ${job.seed}`);
        if (fault && report.faults.length < 100) report.faults.push(fault);
        if (report.requests % 100 === 0) await target.restock();
        if (report.requests % 1000 === 0) progress?.(report);
      }
    };
    const upTo = async (end: number): Promise<void> => {
      await target.restock();
      await Promise.all(Array.from({ length: lanes }, () => lane(end)));
      await target.clear();
    };
    // What the process opens once and keeps (threads, a resolver) is there after a part of them.
    await upTo(Math.ceil(work.length / 3));
    const before = await settled(pid);
    await upTo(work.length);

    for (const line of engine.log().split("\n")) {
      if (/Uncaught exception|Unhandled rejection/.test(line)) report.faults.push(line);
    }
    if ((await target.api("GET", "/_ping")).status !== 200) throw new Error("the engine no longer answers");
    let after = openFds(pid);
    await until("the engine's descriptors to be as few as before", () => {
      after = openFds(pid);
      return after.length <= before.length;
    }).catch(() => {
      report.faults.push(
        `${before.length} descriptors before, ${after.length} after: ${after.sort().join(" ")}`,
      );
    });
  } finally {
    await netns[Symbol.asyncDispose]();
  }
  return report;
}
