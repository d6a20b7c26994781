import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskIO } from "../../../src/wire/containerd/services.ts";
import { built } from "../../support/binary.ts";
import { removeCgroups } from "../../support/cgroups.ts";
import { run, until } from "../../support/process.ts";
import { bytesOf, type Ground, type Open, refusal, watch } from "./ground.ts";

const why = !built
  ? "dist/bunker is not built"
  : process.getuid?.() !== 0
    ? "needs root"
    : !existsSync("/bin/busybox")
      ? "needs a static busybox"
      : undefined;

const SILENT: TaskIO = { stdin: "", stdout: "", stderr: "", terminal: false };

/** The life of tasks and of further processes in them. `file://` output, so that no FIFO has to be read. */
export function tasksSuite(how: string, open: Open): void {
  describe.skipIf(why !== undefined)(`tasks, ${how}${why ? ` (skipped: ${why})` : ""}`, () => {
    const ns = `suite-${process.pid}-${how.replaceAll(" ", "-")}`;
    let on: Ground;
    let dir: string;
    beforeAll(async () => {
      on = await open();
      dir = mkdtempSync(join(tmpdir(), "bunker-tasks-"));
      mkdirSync(join(dir, "rootfs", "bin"), { recursive: true });
      cpSync("/bin/busybox", join(dir, "rootfs", "bin", "busybox"));
    });
    afterAll(async () => {
      for (const { containerId } of await on.services.tasks.list(ns)) await end(containerId);
      await on.close();
      removeCgroups(ns);
      rmSync(dir, { recursive: true, force: true });
    });

    const processOf = (...args: string[]) => ({
      user: { uid: 0, gid: 0 },
      args: ["/bin/busybox", ...args],
      env: ["PATH=/bin"],
      cwd: "/",
    });
    /** A container record without a snapshot: its root is a directory of the test's. */
    async function record(id: string, ...args: string[]): Promise<void> {
      const spec = {
        ociVersion: "1.0.2",
        process: processOf(...args),
        root: { path: join(dir, "rootfs") },
        mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
        linux: {
          cgroupsPath: `/${ns}/${id}`,
          namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })),
        },
      };
      mkdirSync(join(dir, "rootfs", "proc"), { recursive: true });
      await on.services.containers.create(ns, {
        id,
        labels: {},
        image: "",
        runtime: { name: "io.containerd.bunker.v2" },
        spec: {
          typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
          value: bytesOf(JSON.stringify(spec)),
        },
        snapshotter: "",
        snapshotKey: "",
        extensions: {},
      });
    }
    const create = (id: string, io: Partial<TaskIO> = {}) =>
      on.services.tasks.create(ns, { containerId: id, rootfs: [], ...SILENT, ...io });
    async function end(id: string): Promise<number> {
      const { tasks } = on.services;
      const over = tasks.wait(ns, id);
      over.catch(() => {});
      await tasks.kill(ns, id, 9).catch(() => {});
      await over;
      return (await tasks.delete(ns, id)).exitStatus;
    }

    test("without any there are none", async () => {
      const { tasks } = on.services;
      expect(await tasks.list(ns)).toEqual([]);
      await refusal(tasks.get(ns, "nope"), "NotFound");
      await refusal(tasks.kill(ns, "nope", 9), "NotFound");
      await refusal(tasks.wait(ns, "nope"), "NotFound");
      await refusal(tasks.delete(ns, "nope"), "NotFound");
      await refusal(create("nope"), "NotFound");
    });

    test("one is created, started, waited for and deleted; events tell of it in order", async () => {
      const { tasks } = on.services;
      const seen = await watch(on.services, [`namespace==${ns},topic~="^/tasks/"`]);
      await record("one", "sh", "-c", "exit 7");
      const { pid } = await create("one");
      expect(await tasks.get(ns, "one")).toMatchObject({
        containerId: "one",
        id: "",
        pid,
        status: "CREATED",
      });
      await refusal(create("one"), "AlreadyExists");
      const over = tasks.wait(ns, "one");
      expect(await tasks.start(ns, "one")).toEqual({ pid });
      expect((await over).exitStatus).toBe(7);
      const stopped = await tasks.get(ns, "one");
      expect(stopped).toMatchObject({ status: "STOPPED", exitStatus: 7 });
      // It has ended already: the answer comes at once, and is the same.
      expect((await tasks.wait(ns, "one")).exitStatus).toBe(7);
      await refusal(tasks.kill(ns, "one", 9), "NotFound");
      expect(await tasks.delete(ns, "one")).toMatchObject({ pid, exitStatus: 7 });
      await refusal(tasks.get(ns, "one"), "NotFound");
      const events = await seen.take(4);
      await seen.end();
      expect(events.map(({ topic }) => topic)).toEqual([
        "/tasks/create",
        "/tasks/start",
        "/tasks/exit",
        "/tasks/delete",
      ]);
    });

    test("a running one: list, processes, figures, limits, pause and resume", async () => {
      const { tasks } = on.services;
      await record("run", "sleep", "1000");
      const { pid } = await create("run");
      await tasks.start(ns, "run");
      expect((await tasks.list(ns)).map(({ containerId, status }) => [containerId, status])).toEqual([
        ["run", "RUNNING"],
      ]);
      expect((await tasks.list("elsewhere")).length).toBe(0);
      expect((await tasks.listPids(ns, "run")).map((one) => one.pid)).toEqual([pid]);
      const [figures] = await tasks.metrics(ns, ["id==run"]);
      expect(figures!.id).toBe("run");
      expect(figures!.data.typeUrl).toMatch(/io\.containerd\.cgroups\.v[12]\.Metrics$/);
      expect(await tasks.metrics(ns, ["id==other"])).toEqual([]);
      const limits = bytesOf(JSON.stringify({ pids: { limit: 55 } }));
      await tasks.update(ns, "run", {
        typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
        value: limits,
      });
      await tasks.pause(ns, "run");
      expect((await tasks.get(ns, "run")).status).toBe("PAUSED");
      await tasks.resume(ns, "run");
      expect((await tasks.get(ns, "run")).status).toBe("RUNNING");
      await refusal(tasks.delete(ns, "run"), "FailedPrecondition");
      await refusal(tasks.start(ns, "run"), "FailedPrecondition");
      expect(await end("run")).toBe(137);
    });

    test("further processes: exec, start, wait, kill and delete", async () => {
      const { tasks } = on.services;
      await record("host", "sleep", "1000");
      await create("host");
      await tasks.start(ns, "host");
      const exec = (execId: string, ...args: string[]) =>
        tasks.exec(ns, "host", {
          execId,
          ...SILENT,
          spec: {
            typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process",
            value: bytesOf(JSON.stringify(processOf(...args))),
          },
        });
      await exec("short", "sh", "-c", "exit 3");
      await refusal(exec("short", "true"), "AlreadyExists");
      const over = tasks.wait(ns, "host", "short");
      await tasks.start(ns, "host", "short");
      expect((await over).exitStatus).toBe(3);
      expect(await tasks.get(ns, "host", "short")).toMatchObject({ id: "short", status: "STOPPED" });
      expect((await tasks.deleteProcess(ns, "host", "short")).exitStatus).toBe(3);
      await refusal(tasks.get(ns, "host", "short"), "NotFound");
      await exec("long", "sleep", "1000");
      await tasks.start(ns, "host", "long");
      await tasks.kill(ns, "host", 9, { execId: "long" });
      expect((await tasks.wait(ns, "host", "long")).exitStatus).toBe(137);
      await tasks.deleteProcess(ns, "host", "long");
      await refusal(tasks.start(ns, "host", "nope"), "NotFound");
      expect(await end("host")).toBe(137);
    });

    test("what it says comes through FIFOs, what it is told too", async () => {
      const { tasks } = on.services;
      await record("talk", "sh", "-c", "read line; echo got $line; echo problem >&2");
      const path = (name: string) => join(dir, name);
      for (const name of ["in", "out", "err"]) await run(["mkfifo", path(name)]);
      const [stdout, stderr] = ["out", "err"].map((name) => run(["cat", path(name)]));
      // Held open, so that the shim need not wait for a writer.
      const input = Bun.spawn(["sh", "-c", `exec 3>"$0"; read go; echo this >&3`, path("in")], {
        stdin: "pipe",
      });
      await create("talk", { stdin: path("in"), stdout: path("out"), stderr: path("err") });
      const over = tasks.wait(ns, "talk");
      await tasks.start(ns, "talk");
      input.stdin.write("go\n");
      await input.stdin.end();
      expect((await over).exitStatus).toBe(0);
      expect((await stdout!).stdout).toBe("got this\n");
      expect((await stderr!).stdout).toBe("problem\n");
      await tasks.closeIO(ns, "talk", "", true).catch(() => {});
      await tasks.delete(ns, "talk");
      await input.exited;
    });

    test("one that cannot start is refused in the runtime's words and leaves nothing", async () => {
      await record("broken", "nothing");
      const spec = (await on.services.containers.get(ns, "broken")).spec;
      const config = JSON.parse(new TextDecoder().decode(spec.value)) as { process: { args: string[] } };
      config.process.args = ["/no/such"];
      await on.services.containers.update(
        ns,
        { id: "broken", spec: { ...spec, value: bytesOf(JSON.stringify(config)) } },
        ["spec"],
      );
      const error = await refusal(create("broken"), "Unknown");
      expect(error.message).toMatch(/failed to create shim task: .*no such file or directory/);
      expect((await on.services.tasks.list(ns)).map(({ containerId }) => containerId)).not.toContain(
        "broken",
      );
      await until("no cgroup left", () => !existsSync(`/sys/fs/cgroup/pids/${ns}/broken`));
    });
  });
}
