// The swap table's rows above containerd: Debian's dockerd on our containerd, our engine on Debian's. The same life for both.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, realDocker } from "../support/binary.ts";
import { realContainerd, startContainerd, type TestContainerd } from "../support/containerds.ts";
import { realDockerd } from "../support/docker-io.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { plainEnvironment, run, until } from "../support/process.ts";
import { type Registry, startRegistry } from "../support/registry.ts";

setDefaultTimeout(120_000);

/** Says a number five times a second; exits 9 when it is asked to stop. */
const TALKER = `trap "exit 9" TERM; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done`;

const common = !built
  ? "dist/bunker is not built"
  : !realDocker
    ? "needs a docker client"
    : ["/bin/busybox", "docker-registry", "skopeo"].find((name) => !Bun.which(name));
const rows = [
  {
    name: "real dockerd, our containerd",
    below: "ours",
    why: common ?? (realDockerd ? undefined : "needs dockerd"),
  },
  {
    name: "our engine, real containerd",
    below: "real",
    why: common ?? (realContainerd ? undefined : "needs containerd"),
  },
] as const;

for (const { name, below, why } of rows) {
  describe.skipIf(why !== undefined)(why ? `${name} (skipped: ${why})` : name, () => {
    let netns: Netns;
    let registry: Registry;
    let on: TestContainerd;
    let dir: string;
    let child: Bun.Subprocess;
    let image = "";
    const log = () => readFileSync(join(dir, "log"), "utf8");

    async function start(): Promise<void> {
      const program = below === "ours" ? realDockerd! : join(on.bin, "dockerd");
      rmSync(join(dir, "pid"), { force: true });
      const running = Bun.spawn(
        netns.inside([
          ...[program, "-H", `unix://${dir}/docker.sock`, "--pidfile", join(dir, "pid")],
          ...["--data-root", join(dir, "data"), "--exec-root", join(dir, "exec"), "--containerd", on.address],
          ...["--bridge=none", "--iptables=false", "--live-restore"],
        ]),
        {
          env: plainEnvironment({ PATH: `${on.bin}:${plainEnvironment()["PATH"]}` }),
          stdio: ["ignore", "ignore", Bun.file(join(dir, "log"))],
        },
      );
      child = running;
      await until("the engine's API", async () => {
        if (running.exitCode !== null) throw new Error(`it exited ${running.exitCode}:\n${log()}`);
        const ping = await fetch("http://localhost/_ping", { unix: `${dir}/docker.sock` }).catch(() => null);
        return ping?.ok;
      });
    }
    async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
      child.kill(signal);
      await child.exited;
    }
    const docker = (...args: string[]) =>
      run(netns.inside([realDocker!, "-H", `unix://${dir}/docker.sock`, ...args]));
    const ok = async (...args: string[]) => {
      const { code, stdout, stderr } = await docker(...args);
      expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
      return stdout;
    };
    const inspect = async (id: string, format: string) => (await ok("inspect", "-f", format, id)).trim();
    /** Follows the talker's log until it says something new. */
    const talksOn = async (id: string) => {
      const before = await ok("logs", "--tail", "1", id);
      await until("more of the log", async () => (await ok("logs", "--tail", "1", id)) !== before);
    };

    beforeAll(async () => {
      netns = await makeNetns();
      registry = await startRegistry(netns);
      await registry.push(await busyboxImage(), "busybox:1");
      on = await startContainerd(below, { netns, namespace: "moby" });
      dir = mkdtempSync(join(tmpdir(), "bunker-swap-"));
      writeFileSync(join(dir, "log"), "");
      image = `${registry.address}/busybox:1`;
      await start();
    });
    afterAll(async () => {
      if (child && child.exitCode === null) {
        const left = (await docker("ps", "-aq")).stdout.split("\n").filter(Boolean);
        if (left.length > 0) await docker("rm", "-f", ...left);
        await end("SIGTERM");
      }
      await on?.[Symbol.asyncDispose]();
      await registry?.[Symbol.asyncDispose]();
      await netns?.[Symbol.asyncDispose]();
      if (!dir) return;
      // Debian's dockerd leaves the mounts of one that was killed.
      for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse()) {
        const point = line.split(" ")[4];
        if (point?.startsWith(`${dir}/`)) await run(["umount", "-l", point]);
      }
      rmSync(dir, { recursive: true, force: true });
    });

    test("pull, run, exit codes, a missing program, memory limits and OOM", async () => {
      expect(await ok("pull", image)).toContain("Status: Downloaded newer image");
      expect(await docker("run", "--rm", image, "sh", "-c", "echo hi; echo no >&2; exit 3")).toEqual({
        code: 3,
        stdout: "hi\n",
        stderr: "no\n",
      });
      expect(await ok("run", "--rm", "--init", image, "ps")).toMatch(/ 1 root .*docker-init -- ps/);
      const refused = await docker("run", "--rm", image, "/nope");
      expect(refused.code).toBe(127);
      expect(refused.stderr).toMatch(/OCI runtime create failed: .*"\/nope".*no such file or directory/);
      expect(
        (
          await docker(
            "run",
            "--name",
            "oom",
            "-m",
            "20m",
            image,
            "sh",
            "-c",
            "x=a; while :; do x=$x$x; done",
          )
        ).code,
      ).toBe(137);
      expect(await inspect("oom", "{{.State.OOMKilled}} {{.State.ExitCode}}")).toBe("true 137");
      await ok("rm", "oom");
      expect(await ok("ps", "-aq")).toBe("");
      expect((await on.ctr("ours", ["containers", "ls", "-q"])).stdout).toBe("");
    });

    test("exec, logs, top, stats, pause; the engine restarted and killed meanwhile; stop, start, restart, kill, rm", async () => {
      const id = (await ok("run", "-d", "--name", "s1", image, "sh", "-c", TALKER)).trim();
      expect((await on.ctr("ours", ["tasks", "ls"])).stdout).toMatch(
        new RegExp(`^${id} +\\d+ +RUNNING`, "m"),
      );
      expect(await docker("exec", "s1", "sh", "-c", "echo in; exit 4")).toEqual({
        code: 4,
        stdout: "in\n",
        stderr: "",
      });
      await until("the first words", async () => (await ok("logs", "s1")).startsWith("tick 1\n"));
      expect(await ok("top", "s1")).toContain("trap");
      expect(await ok("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "s1")).toMatch(
        /^s1 [12]\n$/,
      );
      await ok("pause", "s1");
      expect(await inspect("s1", "{{.State.Status}}")).toBe("paused");
      await ok("unpause", "s1");
      const pid = await inspect("s1", "{{.State.Pid}}");
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        await end(signal);
        expect(existsSync(`/proc/${pid}`)).toBe(true);
        await start();
        expect(await inspect("s1", "{{.State.Status}} {{.State.Pid}}")).toBe(`running ${pid}`);
        expect(await ok("exec", "s1", "echo", "again")).toBe("again\n");
        await talksOn("s1");
      }
      await ok("stop", "-t", "5", "s1");
      expect(await inspect("s1", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 9");
      await ok("start", "s1");
      await ok("restart", "-t", "5", "s1");
      await talksOn("s1");
      await ok("kill", "s1");
      await ok("wait", "s1");
      expect(await inspect("s1", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 137");
      await ok("rm", "s1");
      expect((await on.ctr("ours", ["tasks", "ls", "-q"])).stdout).toBe("");
    });

    test("a container that ends while the engine is away is known to have ended", async () => {
      await ok(
        "run",
        "-d",
        "--name",
        "short",
        image,
        "sh",
        "-c",
        "while [ ! -e /go ]; do sleep 0.1; done; exit 6",
      );
      const pid = await inspect("short", "{{.State.Pid}}");
      await ok("exec", "-d", "short", "sh", "-c", "sleep 1; touch /go");
      await end("SIGKILL");
      await until("its end", async () => {
        const stat = await Bun.file(`/proc/${pid}/stat`)
          .text()
          .catch(() => ") Z");
        return stat.split(") ")[1]![0] === "Z";
      });
      await start();
      await until("the news", async () => (await inspect("short", "{{.State.Status}}")) === "exited");
      expect(await inspect("short", "{{.State.ExitCode}}")).toBe("6");
      await ok("rm", "short");
    });
  });
}
