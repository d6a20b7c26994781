// The processes of one run, told by a cgroup of their own: what they hold in memory and what CPU time they take.
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** Any hierarchy will do: membership is all that is asked of it. */
const HIERARCHY = ["/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs"].find((path) =>
  existsSync(path),
);

const INTERVAL_MS = 40;

/** Clock ticks a second, as /proc/PID/stat counts. man 3 sysconf: always 100 on Linux's x86-64 and arm64. */
const TICKS = 100;

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

export class Group implements Disposable {
  readonly #directory: string;

  constructor() {
    if (HIERARCHY === undefined) throw new Error("no cgroup hierarchy at /sys/fs/cgroup");
    this.#directory = mkdtempSync(join(HIERARCHY, "..", "bunker-bench-"));
  }

  inside(command: string[]): string[] {
    return ["sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"', this.#directory, ...command];
  }

  #pids(): string[] {
    return read(join(this.#directory, "cgroup.procs")).split("\n").filter(Boolean);
  }

  /** Looks at short intervals until `end` is called. */
  watch(): { end(): { cpu: number; peak: number; anonymous: number } } {
    let peak = 0;
    let anonymous = 0;
    const before = new Map<string, number>();
    const last = new Map<string, number>();
    const look = () => {
      let [sum, own] = [0, 0];
      for (const pid of this.#pids()) {
        // Proportional, for a daemon and its client may be the same file: what both map counts once.
        const memory = read(`/proc/${pid}/smaps_rollup`);
        const kib = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(memory)?.[1] ?? 0);
        sum += kib("Pss");
        own += kib("Anonymous");
        // Its own time and that of the children it has waited for. man 5 proc: fields 14 to 17
        const fields = read(`/proc/${pid}/stat`)
          .replace(/^.*\) /, "")
          .split(" ");
        if (fields.length > 14)
          last.set(
            pid,
            fields.slice(11, 15).reduce((all, field) => all + Number(field), 0),
          );
      }
      peak = Math.max(peak, sum * 1024);
      anonymous = Math.max(anonymous, own * 1024);
    };
    look();
    for (const [pid, ticks] of last) before.set(pid, ticks);
    peak = anonymous = 0;
    const timer = setInterval(look, INTERVAL_MS);
    return {
      end: () => {
        clearInterval(timer);
        look();
        let ticks = 0;
        for (const [pid, count] of last) ticks += count - (before.get(pid) ?? 0);
        return { cpu: (ticks * 1000) / TICKS, peak, anonymous };
      },
    };
  }

  /** Kills what is left and takes the group away. */
  [Symbol.dispose](): void {
    for (let turn = 0; turn < 200; turn++) {
      for (const pid of this.#pids()) {
        try {
          process.kill(Number(pid), "SIGKILL");
        } catch {}
      }
      try {
        rmdirSync(this.#directory);
        return;
      } catch {
        Bun.sleepSync(10);
      }
    }
  }
}
