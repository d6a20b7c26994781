// Debian's containerd and its shim with our runtime below: `ctr run --runc-binary`.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, linkRoles } from "../support/binary.ts";
import { realContainerd, realCtr, startContainerd, type TestContainerd } from "../support/containerds.ts";
import { busyboxRootfs } from "../support/images.ts";
import { must, run, until } from "../support/process.ts";
import { onTerminal } from "../support/terminal.ts";
import { unable } from "./ground.ts";

const missing = realContainerd && realCtr ? "" : "containerd is not installed";
const why = unable || (built ? missing : "dist/bunker is not built");

describe.skipIf(why !== "")(`below Debian's containerd${why && ` (skipped: ${why})`}`, () => {
  const rootfs = why ? "" : mkdtempSync(join(tmpdir(), "bunker-rootfs-"));
  const bin = why ? "" : linkRoles();
  let containerd: TestContainerd;

  beforeAll(async () => {
    await busyboxRootfs(rootfs);
    containerd = await startContainerd("real", { shims: "real", namespace: "below" });
  });

  afterAll(async () => {
    await containerd?.[Symbol.asyncDispose]();
    for (const one of [rootfs, bin]) if (one) rmSync(one, { recursive: true });
  });

  const ctr = (...args: string[]) => containerd.command("real", args);
  const start = (options: string[], id: string, ...command: string[]) =>
    ctr(
      "run",
      ...options,
      ...["--runc-binary", join(bin, "runc"), "--runtime", "io.containerd.runc.v2"],
      ...["--env", "PATH=/bin", "--rootfs", rootfs, id, ...command],
    );
  const status = async (id: string) =>
    new RegExp(`^${id}\\s+\\d+\\s+(\\w+)`, "m").exec(await must(ctr("task", "ls")))?.[1];

  test("run: output, exit code, a missing program, a terminal", async () => {
    expect(await run(start(["--rm"], "ends", "sh", "-c", "echo out; echo err >&2; exit 9"))).toMatchObject({
      code: 9,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect((await run(start(["--rm"], "missing", "nosuch"))).stderr).toContain(
      'exec: "nosuch": executable file not found in $PATH',
    );
    await run(ctr("container", "rm", "missing"));
    // It stays until its words were seen: what comes with the end, or while ctr sets the size, this shim may lose, with runc too.
    const script = "tty; read line";
    await using terminal = onTerminal(start(["--rm", "--tty"], "tty", "sh", "-c", script));
    await terminal.shows("/dev/pts/0");
    terminal.type("\r");
    expect(await terminal.exited).toBe(0);
  });

  test("exec, ps, metrics, pause, kill, delete", async () => {
    await must(start(["-d"], "stays", "sleep", "1000"));
    expect(await status("stays")).toBe("RUNNING");
    expect(await must(ctr("task", "exec", "--exec-id", "one", "stays", "cat", "/proc/1/comm"))).toBe(
      "sleep\n",
    );
    expect((await run(ctr("task", "exec", "--exec-id", "two", "stays", "sh", "-c", "exit 4"))).code).toBe(4);
    expect(await must(ctr("task", "ps", "stays"))).toMatch(/^PID\s+INFO\s*\n\d+\s/);
    expect(await must(ctr("task", "metrics", "stays"))).toMatch(/memory\.usage\S*\s+[1-9]/);
    await must(ctr("task", "pause", "stays"));
    expect(await status("stays")).toBe("PAUSED");
    await must(ctr("task", "resume", "stays"));
    expect(await status("stays")).toBe("RUNNING");
    await must(ctr("task", "kill", "--signal", "SIGKILL", "stays"));
    await until("its end", async () => (await status("stays")) === "STOPPED");
    // It answers with the task's own exit code.
    expect((await run(ctr("task", "delete", "stays"))).stderr).toContain("137");
    await must(ctr("container", "rm", "stays"));
    expect(await must(ctr("task", "ls", "-q"))).toBe("");
  });
});
