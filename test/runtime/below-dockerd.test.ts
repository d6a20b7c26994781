// Debian's dockerd with our runtime below: added by name, and as the default.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, linkRoles, realDocker } from "../support/binary.ts";
import { type RealDaemon, realDockerd, startRealDaemon } from "../support/docker-io.ts";
import { busyboxRootfs } from "../support/images.ts";
import { hostNetwork } from "../support/netns.ts";
import { must, run, until } from "../support/process.ts";
import { onTerminal } from "../support/terminal.ts";
import { unable } from "./ground.ts";

const why =
  unable ||
  (!built
    ? "dist/bunker is not built"
    : !realDockerd || !realDocker
      ? "Debian's docker.io is not installed"
      : "");

describe.skipIf(why !== "")(`below Debian's dockerd${why && ` (skipped: ${why})`}`, () => {
  const directory = why ? "" : mkdtempSync(join(tmpdir(), "bunker-below-"));
  const bin = why ? "" : linkRoles();
  let daemon: RealDaemon;

  beforeAll(async () => {
    await busyboxRootfs(join(directory, "rootfs"));
    await must(["tar", "-C", join(directory, "rootfs"), "-cf", join(directory, "image.tar"), "."]);
    daemon = await startRealDaemon(hostNetwork, [
      ...["--bridge=none", "--iptables=false"],
      ...["--add-runtime", `bunker=${join(bin, "runc")}`],
      ...["--default-runtime", "bunker"],
    ]);
    await ok("import", join(directory, "image.tar"), "busybox");
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    for (const one of [directory, bin]) if (one) rmSync(one, { recursive: true });
  });

  const docker = (...args: string[]) => [realDocker!, "--host", daemon.host, ...args];
  const ok = async (...args: string[]) => (await must(docker(...args))).trimEnd();
  const inspect = (format: string, name: string) => ok("inspect", "--format", format, name);

  test("run: output, exit codes, privileges, by name and as the default", async () => {
    expect(await ok("info", "--format", "{{.DefaultRuntime}}")).toBe("bunker");
    const script = "echo out; echo err >&2; exit 7";
    expect(await run(docker("run", "--rm", "busybox", "sh", "-c", script))).toEqual({
      code: 7,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect(await ok("run", "--rm", "--runtime", "bunker", "busybox", "echo", "by name")).toBe("by name");
    // What one of both made the other does not see: they are different programs.
    expect(await ok("run", "--rm", "--runtime", "runc", "busybox", "echo", "the real one")).toBe(
      "the real one",
    );
    expect((await run(docker("run", "--rm", "busybox", "/nosuch"))).code).toBe(127);
    expect((await run(docker("run", "--rm", "busybox", "/etc"))).code).toBe(126);
    const confined = await ok(
      ...["run", "--rm", "--read-only", "--cap-drop", "ALL", "--user", "1000:1000", "--init"],
      ...["--security-opt", "no-new-privileges", "--sysctl", "net.core.somaxconn=99", "busybox"],
      ...["sh", "-c", "id -u; cat /proc/sys/net/core/somaxconn; grep -E 'CapEff|NoNew' /proc/self/status"],
    );
    expect(confined).toBe("1000\n99\nCapEff:\t0000000000000000\nNoNewPrivs:\t1");
  });

  test("run and exec on a terminal", async () => {
    await using terminal = onTerminal(docker("run", "--rm", "--name", "seen", "-it", "busybox", "sh"));
    await terminal.shows("/ # ");
    terminal.type("tty; echo $((40+2))\r");
    await terminal.shows("/dev/pts/0");
    await terminal.shows("42");
    await using second = onTerminal(docker("exec", "-it", "seen", "sh"));
    await second.shows("/ # ");
    second.type("tty; exit 5\r");
    await second.shows("/dev/pts/1");
    expect(await second.exited).toBe(5);
    terminal.type("exit 6\r");
    expect(await terminal.exited).toBe(6);
  });

  test("exec, pause, stats, top, update, restart, health, stop, rm", async () => {
    await ok(
      ...["run", "-d", "--name", "stays", "--memory", "64m", "--stop-signal", "KILL"],
      ...["--health-cmd", "test -e /proc/1", "--health-interval", "200ms", "busybox", "sleep", "1000"],
    );
    expect(await ok("exec", "stays", "cat", "/proc/1/comm")).toBe("sleep");
    expect((await run(docker("exec", "stays", "sh", "-c", "exit 3"))).code).toBe(3);
    await until("its health", async () => (await inspect("{{.State.Health.Status}}", "stays")) === "healthy");
    await ok("pause", "stays");
    expect(await inspect("{{.State.Status}}", "stays")).toBe("paused");
    expect((await run(docker("exec", "stays", "true"))).stderr).toContain("is paused");
    await ok("unpause", "stays");
    expect(await ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "stays")).toMatch(
      /^[1-9]\S* \/ 64MiB 1$/,
    );
    expect(await ok("top", "stays", "-o", "pid,args")).toMatch(/^PID\s+COMMAND\n\d+\s+sleep 1000$/);
    await ok("update", "--memory", "128m", "--memory-swap", "256m", "--cpu-shares", "512", "stays");
    expect(await ok("stats", "--no-stream", "--format", "{{.MemUsage}}", "stays")).toContain(" / 128MiB");
    const pid = await inspect("{{.State.Pid}}", "stays");
    await ok("restart", "stays");
    expect(await inspect("{{.State.Running}}", "stays")).toBe("true");
    expect(await inspect("{{.State.Pid}}", "stays")).not.toBe(pid);
    await ok("kill", "stays");
    expect(await ok("wait", "stays")).toBe("137");
    await ok("start", "stays");
    await ok("stop", "stays");
    expect(await inspect("{{.State.Status}} {{.State.ExitCode}}", "stays")).toBe("exited 137");
    await ok("rm", "stays");
    expect(await ok("ps", "-aq")).toBe("");
  });
});
