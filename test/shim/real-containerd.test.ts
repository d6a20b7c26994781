// Real containerd above, our shim below: its ctr runs, execs, pauses and kills; a killed containerd finds the task again.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childEnvironment, selfCommand } from "../../src/self.ts";
import { removeCgroups } from "../support/cgroups.ts";
import { cannot, rootfsOf, runc, until } from "./harness.ts";

const containerd = Bun.which("containerd");
const ctrPath = Bun.which("ctr");
const reason = cannot ?? (containerd && ctrPath ? undefined : "needs containerd and ctr");

describe.skipIf(reason !== undefined)(`our shim under real containerd${reason ? ` (${reason})` : ""}`, () => {
  const directory = reason ? "" : mkdtempSync(join(tmpdir(), "ctrd-"));
  const address = join(directory, "c.sock");
  const bin = join(directory, "bin");
  let daemon: Bun.Subprocess;
  let rootfs: string;

  async function start(): Promise<void> {
    daemon = Bun.spawn(
      [
        containerd!,
        "--config",
        join(directory, "config.toml"),
        "--root",
        join(directory, "root"),
        "--state",
        join(directory, "state"),
        "--address",
        address,
      ],
      {
        env: childEnvironment({ PATH: `${bin}:${process.env["PATH"]}` }),
        stdio: ["ignore", "ignore", Bun.file(join(directory, "log"))],
      },
    );
    await until(
      "containerd",
      () => existsSync(address) && Bun.spawnSync([ctrPath!, "-a", address, "version"]).exitCode === 0,
    );
  }

  beforeAll(async () => {
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, "bun"));
    for (const name of ["containerd-shim-bunker-v2", "containerd-shim-runc-v2"]) {
      const { cmd } = selfCommand(name);
      writeFileSync(
        join(bin, name),
        `#!/bin/sh\nexec '${join(bin, "bun")}' ${cmd
          .slice(1)
          .map((word) => `'${word}'`)
          .join(" ")} "$@"\n`,
      );
      chmodSync(join(bin, name), 0o755);
    }
    writeFileSync(
      join(directory, "config.toml"),
      'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs"]\n',
    );
    rootfs = rootfsOf(directory);
    await start();
  }, 30_000);

  afterAll(async () => {
    for (const id of (await ctr(["tasks", "ls", "-q"])).stdout.split("\n").filter(Boolean))
      await ctr(["tasks", "rm", "-f", id]);
    daemon?.kill();
    await daemon?.exited;
    for (const mount of readdirSync(join(directory, "state")).filter((name) => name.includes("tmpmounts")))
      rmSync(join(directory, "state", mount), { recursive: true, force: true });
    rmSync(directory, { recursive: true, force: true });
    removeCgroups("ns");
  }, 30_000);

  /** `stdin` is written once the task runs: ctr forgets CloseIO when its input ends before, under any shim. A task that is
   * listed as created is not enough: ctr may not have had the answer to its Create yet. */
  async function ctr(
    args: string[],
    stdin?: { task: string; text: string },
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = Bun.spawn([ctrPath!, "-a", address, "-n", "ns", ...args], {
      stdin: stdin ? "pipe" : "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    if (stdin) {
      const list = [ctrPath!, "-a", address, "-n", "ns", "tasks", "ls"];
      const running = new RegExp(`^${stdin.task}\\s+\\d+\\s+RUNNING`, "m");
      await until("the task", () => running.test(Bun.spawnSync(list).stdout.toString()));
      child.stdin?.write(stdin.text);
      await child.stdin?.end();
    }
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    clearTimeout(timer);
    return { code, stdout, stderr };
  }
  const run = (flags: string[], id: string, args: string[], stdin?: { task: string; text: string }) =>
    ctr(["run", "--fifo-dir", join(directory, "fifo"), ...flags, "--rootfs", rootfs, id, ...args], stdin);
  const ours = ["--runtime", "io.containerd.bunker.v2"];

  test("run: output, exit code, standard input", async () => {
    expect(
      await run(["--rm", ...ours], "r1", ["/bin/sh", "-c", "echo out; echo err >&2; exit 5"]),
    ).toMatchObject({
      code: 5,
      stdout: "out\n",
      stderr: expect.stringContaining("err\n"),
    });
    expect(await run(["--rm", ...ours], "r2", ["/bin/cat"], { task: "r2", text: "through\n" })).toMatchObject(
      {
        code: 0,
        stdout: "through\n",
      },
    );
  }, 60_000);

  test("as io.containerd.runc.v2 over real runc", async () => {
    const flags = ["--rm", "--runtime", "io.containerd.runc.v2", "--runc-binary", runc!];
    expect(await run(flags, "r3", ["/bin/echo", "hi"])).toMatchObject({ code: 0, stdout: "hi\n" });
  }, 60_000);

  test("ctr run --log-uri: a file, a log binary", async () => {
    const file = join(directory, "uri/file.log");
    const both = ["/bin/sh", "-c", "echo out; echo err >&2"];
    expect((await run(["--rm", ...ours, "--log-uri", `file://${file}`], "u1", both)).code).toBe(0);
    expect(readFileSync(file, "utf8").split("\n").sort()).toEqual(["", "err", "out"]);
    const logger = join(directory, "logger");
    const logged = join(directory, "logged");
    writeFileSync(
      logger,
      `#!/bin/sh\nPATH=/usr/bin:/bin\necho "$CONTAINER_NAMESPACE/$CONTAINER_ID" >> ${logged}\nexec 5>&-\ncat <&3 >> ${logged}\n`,
      { mode: 0o755 },
    );
    expect((await run(["--rm", ...ours, "--log-uri", `binary://${logger}`], "u2", both)).code).toBe(0);
    expect(readFileSync(logged, "utf8")).toBe("ns/u2\nout\n");
  }, 60_000);

  test("a program that is not there: the runtime's words, nothing left", async () => {
    const { code, stderr } = await run(["--rm", ...ours], "r4", ["/no/such"]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(
      /failed to create shim task: OCI runtime create failed: .*no such file or directory/,
    );
    expect((await ctr(["tasks", "ls", "-q"])).stdout).toBe("");
  }, 60_000);

  test("detached: ls, exec, ps, metrics, pause; containerd killed and started again; kill, rm", async () => {
    expect((await run(["-d", ...ours], "d1", ["/bin/sleep", "1000"])).code).toBe(0);
    expect((await ctr(["tasks", "ls"])).stdout).toMatch(/d1\s+\d+\s+RUNNING/);
    const exec = ["tasks", "exec", "--fifo-dir", join(directory, "fifo")];
    expect(await ctr([...exec, "--exec-id", "e1", "d1", "/bin/sh", "-c", "echo in; exit 3"])).toMatchObject({
      code: 3,
      stdout: "in\n",
    });
    // A process left in the background holds the output open; the end of the exec is told all the same.
    expect(
      await ctr([...exec, "--exec-id", "e2", "d1", "/bin/sh", "-c", "sleep 100 & echo bg"]),
    ).toMatchObject({
      code: 0,
      stdout: "bg\n",
    });
    expect((await ctr(["tasks", "ps", "d1"])).stdout.trim().split("\n").length).toBe(3);
    expect((await ctr(["tasks", "metrics", "d1"])).stdout).toMatch(/memory|pids/);
    expect((await ctr(["tasks", "pause", "d1"])).code).toBe(0);
    expect((await ctr(["tasks", "ls"])).stdout).toMatch(/d1\s+\d+\s+PAUSED/);
    expect((await ctr(["tasks", "resume", "d1"])).code).toBe(0);

    daemon.kill("SIGKILL");
    await daemon.exited;
    rmSync(address, { force: true });
    await start();
    expect((await ctr(["tasks", "ls"])).stdout).toMatch(/d1\s+\d+\s+RUNNING/);
    expect((await ctr(["tasks", "kill", "-s", "SIGKILL", "d1"])).code).toBe(0);
    await until("the end", () =>
      Bun.spawnSync([ctrPath!, "-a", address, "-n", "ns", "tasks", "ls"])
        .stdout.toString()
        .includes("STOPPED"),
    );
    const removed = await ctr(["tasks", "rm", "d1"]);
    expect(removed.stderr + removed.stdout).toContain("137");
    expect((await ctr(["containers", "rm", "d1"])).code).toBe(0);
  }, 90_000);
});
