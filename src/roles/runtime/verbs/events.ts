import { print } from "../../../../ffi/output.ts";
import { isAlive, pidfdOpen } from "../../../../ffi/process.ts";
import type { ContainerState } from "../container/state.ts";
import { containerStatus } from "../container/status.ts";
import { parseDuration } from "../duration.ts";
import { RuntimeError } from "../errors.ts";
import { flag, text } from "../flags.ts";
import { log } from "../log.ts";
import { containerStats } from "../stats/container.ts";
import { oomSource, pollAll } from "../stats/oom.ts";
import type { Verb } from "./verb.ts";

export const events: Verb = {
  about: "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
  usage: "<container-id>",
  flags: {
    interval: {
      names: ["interval"],
      kind: "text",
      about: "set the stats collection interval (default: 5s)",
      check: (value) => (parseDuration(value) === undefined ? "parse error" : undefined),
    },
    stats: { names: ["stats"], kind: "boolean", about: "display the container's stats then exit" },
  },
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    const interval = parseDuration(text(parsed, "interval") ?? "5s")!;
    if (interval <= 0) throw new RuntimeError("duration interval must be greater than 0");
    if (containerStatus(store, state) === "stopped")
      throw new RuntimeError(`container with id ${state.id} is not running`);
    if (flag(parsed, "stats")) tell(state, "stats", containerStats(state.cgroup_paths));
    else watch(state, interval);
    return 0;
  },
};

const tell = (state: ContainerState, type: string, data?: object) =>
  print(`${exactJson({ type, id: state.id, ...(data ? { data } : {}) })}\n`);

/** JSON with whole numbers beyond 2^53 in all their digits: readers take them as uint64, whose end is 2^64 - 1. */
function exactJson(document: object): string {
  const LAST = 2n ** 64n - 1n;
  const big: string[] = [];
  const text = JSON.stringify(document, (_, value) => {
    if (typeof value !== "number" || value <= Number.MAX_SAFE_INTEGER) return value;
    const whole = BigInt(value);
    return `\u0000${big.push(String(whole > LAST ? LAST : whole)) - 1}`;
  });
  return text.replace(/"\\u0000(\d+)"/g, (_, index: string) => big[Number(index)]!);
}

/** Reports until the container has ended. */
function watch(state: ContainerState, interval: number): void {
  using init = pidfdOpen(state.init_process_pid);
  if (!init || !isAlive(state.init_process_pid, state.init_process_start)) return;
  using oom = oomSource(state.cgroup_paths);
  const sources = [{ fd: init.number, events: 1 }, ...(oom ? [oom] : [])];
  let next = performance.now() + interval;
  for (;;) {
    const [ended, killed] = pollAll(sources, Math.max(0, next - performance.now()));
    // First what was killed: it may be the reason for the end.
    if (killed && oom?.killed()) tell(state, "oom");
    if (ended) return;
    if (performance.now() < next) continue;
    next += interval;
    try {
      tell(state, "stats", containerStats(state.cgroup_paths));
    } catch (error) {
      log("error", (error as Error).message);
    }
  }
}
