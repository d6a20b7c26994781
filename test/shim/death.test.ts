// A shim dies by SIGKILL under the whole stack, awake or asleep: its container goes with it, everybody who waits is told, and
// nothing hangs.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { type BusyboxEngine, busyboxEngine, noBusyboxEngine } from "../support/busybox-engine.ts";
import { run, until } from "../support/process.ts";

const why = noBusyboxEngine;

/** The pid of a container's shim. */
function shimOf(id: string): number {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      if (words[0]!.includes("containerd-shim") && words[words.indexOf("-id") + 1] === id)
        return Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`no shim of ${id}`);
}

const asleep = (pid: number) => readlinkSync(`/proc/${pid}/exe`).startsWith("/memfd:bunker-shim");

describe.skipIf(why !== undefined)(why ? `a shim's death (skipped: ${why})` : "a shim's death", () => {
  let on: BusyboxEngine;
  beforeAll(async () => {
    on = await busyboxEngine();
  }, 120_000);
  afterAll(async () => {
    await on?.[Symbol.asyncDispose]();
  }, 60_000);

  const docker = (...args: string[]) => on.engine.docker(args);
  const state = async (name: string) => (await on.api("GET", `/containers/${name}/json`)).json.State;
  const remove = (name: string) => on.api("DELETE", `/containers/${name}?force=1&v=1`);
  const mounts = (id: string) =>
    readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(id));

  for (const when of ["awake", "asleep"] as const)
    test(`${when}: wait, ps, logs, exec, events and ctr tell the end; it starts again`, async () => {
      const name = `dies-${when}`;
      const since = Math.trunc(Date.now() / 1000);
      const id = await on.run(name, ["sh", "-c", "echo begun; exec sleep 1000"]);
      const { Pid } = await state(name);
      const shim = shimOf(id);
      const waiting = docker("wait", name);
      const following = docker("logs", "-f", name);
      const inside = when === "awake" ? docker("exec", name, "sleep", "1000") : undefined;
      if (inside)
        await until(
          "the exec",
          async () => (await docker("top", name)).stdout.split("sleep 1000").length > 2,
        );
      await until(when, () => asleep(shim) === (when === "asleep"));
      process.kill(shim, "SIGKILL");
      expect((await waiting).stdout).toBe("137\n");
      expect((await following).stdout).toBe("begun\n");
      if (inside) expect((await inside).code).not.toBe(0);
      expect((await docker("ps", "-q")).stdout).toBe("");
      expect(await state(name)).toMatchObject({ Status: "exited", Running: false, ExitCode: 137, Pid: 0 });
      await until("the end of the container's process", () => !existsSync(`/proc/${Pid}`));
      const tasks = await run(
        on.engine.netns.inside([
          join(on.engine.bin, "ctr"),
          ...[
            "-a",
            join(on.engine.execRoot, "containerd/containerd.sock"),
            "-n",
            "moby",
            "tasks",
            "ls",
            "-q",
          ],
        ]),
      );
      expect(tasks.stdout).toBe("");
      await until("its mounts to go", () => mounts(id).length === 0);
      const told = await on.api(
        "GET",
        `/events?since=${since}&until=${Math.trunc(Date.now() / 1000) + 1}&filters=${JSON.stringify({ container: [name], event: ["die"] })}`,
      );
      expect(told.text).toContain('"exitCode":"137"');
      expect((await docker("start", name)).code).toBe(0);
      expect((await docker("exec", name, "echo", "again")).stdout).toBe("again\n");
      await remove(name);
    }, 60_000);

  test("a client in the foreground returns", async () => {
    const running = docker("run", "--name", "front", "busybox", "sh", "-c", "echo begun; exec sleep 1000");
    const id = await until("the container", async () => {
      const { json } = await on.api("GET", "/containers/front/json");
      return json?.State?.Running ? (json.Id as string) : undefined;
    });
    process.kill(shimOf(id), "SIGKILL");
    expect(await running).toMatchObject({ code: 137, stdout: "begun\n" });
    await remove("front");
  }, 60_000);

  test("a restart policy starts the container again", async () => {
    const id = await on.run("again", ["sleep", "1000"], {
      HostConfig: { RestartPolicy: { Name: "always" } },
    });
    const before = await state("again");
    process.kill(shimOf(id), "SIGKILL");
    await until("the next run", async () => {
      const after = await state("again");
      return after.Running && after.Pid !== before.Pid;
    });
    await remove("again");
  }, 60_000);

  test("while the engine is away: killed is what it finds, or the exit that the shim had recorded", async () => {
    const killed = await on.run("lost", ["sleep", "1000"]);
    const ended = await on.run("ended", ["sh", "-c", "sleep 1; exit 7"]);
    const shims = [shimOf(killed), shimOf(ended)];
    await on.engine.kill();
    const record = join(on.engine.execRoot, "libcontainerd", ended, "exit.json");
    await until("the record of the exit", () => existsSync(record));
    for (const pid of shims) process.kill(pid, "SIGKILL");
    await on.engine.start();
    expect(await state("lost")).toMatchObject({ Status: "exited", ExitCode: 137 });
    expect(await state("ended")).toMatchObject({ Status: "exited", ExitCode: 7 });
    expect((await docker("wait", "lost", "ended")).stdout).toBe("137\n7\n");
    await remove("lost");
    await remove("ended");
  }, 60_000);
});
