// The swap table's rows below containerd: each daemon over each shim over each runtime, through a container's whole life.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { built, bunker } from "../support/binary.ts";
import {
  type ContainerdOptions,
  realContainerd,
  realCtr,
  startContainerd,
  type TestContainerd,
  type Whose,
} from "../support/containerds.ts";
import { busyboxImage } from "../support/images.ts";
import { must, type RunOptions, until } from "../support/process.ts";

setDefaultTimeout(90_000);

const [realShim, realRunc, realCrun] = [
  "/usr/bin/containerd-shim-runc-v2",
  "/usr/sbin/runc",
  "/usr/bin/crun",
];

/** crun 1.8 refuses hosts that have cgroup v1 and v2 side by side: such a daemon does not see the second. */
const withoutUnified = [
  ...["unshare", "--mount", "--propagation=private", "sh", "-c"],
  ...['umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"],
];

interface Row {
  name: string;
  daemon: Whose;
  options?: ContainerdOptions;
  flags: (on: TestContainerd) => string[];
  /** The program that the shim must be. */
  shim: string;
  needs: string[];
}

const named = (runtime: string) => () => ["--runtime", runtime];
const rows: Row[] = [
  {
    name: "real containerd, our shim by name, our runtime",
    daemon: "real",
    flags: named("io.containerd.bunker.v2"),
    shim: bunker,
    needs: [],
  },
  {
    name: "real containerd, our shim by path, our runtime",
    daemon: "real",
    flags: (on) => ["--runtime", join(on.bin, "containerd-shim-bunker-v2")],
    shim: bunker,
    needs: [],
  },
  {
    name: "real containerd, our shim in the real one's place, real runc",
    daemon: "real",
    flags: () => ["--runtime", "io.containerd.runc.v2", "--runc-binary", realRunc],
    shim: bunker,
    needs: [realRunc],
  },
  {
    name: "our containerd, real shim, real runc",
    daemon: "ours",
    options: { shims: "real" },
    flags: named("io.containerd.runc.v2"),
    shim: realShim,
    needs: [realShim, realRunc],
  },
  {
    name: "our containerd, our shim, real runc",
    daemon: "ours",
    flags: () => ["--runtime", "io.containerd.runc.v2", "--runc-binary", realRunc],
    shim: bunker,
    needs: [realRunc],
  },
  {
    name: "our containerd, our shim, real crun",
    daemon: "ours",
    options: { behind: withoutUnified },
    flags: () => ["--runtime", "io.containerd.runc.v2", "--runc-binary", realCrun],
    shim: bunker,
    needs: [realCrun],
  },
];

for (const { name, daemon, options, flags, shim, needs } of rows) {
  const missing = ["/bin/busybox", ...needs].find((path) => !existsSync(path));
  const why = !built
    ? "dist/bunker is not built"
    : !realCtr || (daemon === "real" && !realContainerd)
      ? "needs containerd"
      : missing
        ? `${missing} is not installed`
        : undefined;
  describe.skipIf(why !== undefined)(why ? `${name} (skipped: ${why})` : name, () => {
    let on: TestContainerd;
    const image = "box:latest";

    beforeAll(async () => {
      on = await startContainerd(daemon, options);
      const archive = join(on.dir, "box.tar");
      await must(["tar", "-C", await busyboxImage(), "-cf", archive, "."]);
      await must(on.command("real", ["images", "import", "--base-name", "box", archive]));
    });
    afterAll(() => on?.[Symbol.asyncDispose]());

    const ctr = (args: string[], run?: RunOptions) => on.ctr("real", args, run);
    const run = (more: string[], ...words: string[]) =>
      ctr(["run", ...flags(on), "--fifo-dir", on.fifos, ...more, image, ...words]);
    const exec = (id: string, ...words: string[]) =>
      ctr(["tasks", "exec", "--fifo-dir", on.fifos, "--exec-id", `e${crypto.randomUUID()}`, id, ...words]);
    const status = async (id: string) =>
      new RegExp(`^${id} +\\d+ +(\\w+)`, "m").exec((await ctr(["tasks", "ls"])).stdout)?.[1];

    test("run --rm: both outputs, the exit status, a program that is not there", async () => {
      expect(await run(["--rm"], "r1", "sh", "-c", "echo out; echo err >&2; exit 5")).toEqual({
        code: 5,
        stdout: "out\n",
        stderr: "err\n",
      });
      const refused = await run(["--rm"], "r2", "/no/such");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/failed to create shim task: .*no such file or directory/i);
      expect((await ctr(["tasks", "ls", "-q"])).stdout).toBe("");
    });

    test("detached: exec, ps, metrics, pause, resume; containerd killed and back; kill, rm", async () => {
      expect((await run(["-d"], "d1", "sleep", "1000")).code).toBe(0);
      const pid = Number(/^d1 +(\d+)/m.exec((await ctr(["tasks", "ls"])).stdout)![1]);
      // Its parent is the shim that the row names.
      const parent = /\bPPid:\s+(\d+)/.exec(await Bun.file(`/proc/${pid}/status`).text())![1];
      // One of ours that sleeps is no file at all.
      if (shim === bunker) expect(readlinkSync(`/proc/${parent}/exe`)).toMatch(/bunker$|^\/memfd:/);
      else expect(readlinkSync(`/proc/${parent}/exe`)).toBe(shim);
      expect(await exec("d1", "sh", "-c", "echo in; exit 3")).toEqual({
        code: 3,
        stdout: "in\n",
        stderr: "",
      });
      expect((await ctr(["tasks", "ps", "d1"])).stdout).toMatch(new RegExp(`^${pid} `, "m"));
      expect((await ctr(["tasks", "metrics", "d1"])).stdout).toMatch(/pids\.current +1\b/);
      expect((await ctr(["tasks", "pause", "d1"])).code).toBe(0);
      expect(await status("d1")).toBe("PAUSED");
      expect((await ctr(["tasks", "resume", "d1"])).code).toBe(0);

      await on.kill();
      await on.start();
      expect(await status("d1")).toBe("RUNNING");
      expect((await exec("d1", "echo", "again")).stdout).toBe("again\n");
      expect((await ctr(["tasks", "kill", "-s", "SIGKILL", "d1"])).code).toBe(0);
      await until("the end", async () => (await status("d1")) === "STOPPED");
      const removed = await ctr(["tasks", "rm", "d1"]);
      expect(removed.stdout + removed.stderr).toContain("137");
      expect((await ctr(["containers", "rm", "d1"])).code).toBe(0);
      // Who reaps it is the machine's business.
      const state = async () =>
        (
          await Bun.file(`/proc/${parent}/stat`)
            .text()
            .catch(() => ") Z")
        ).split(") ")[1]![0];
      await until("the shim's end", async () => (await state()) === "Z");
    });
  });
}
