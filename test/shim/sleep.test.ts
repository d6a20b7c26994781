// The sleeping shim: an idle one becomes the waiting ELF by execve and is itself again for whatever comes; nothing is lost.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  linkSync,
  readFileSync,
  readlinkSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { selfCommand } from "../../src/self.ts";
import { cannot, Host, type Shim, until, writeFifo } from "./harness.ts";
import { MortalHost } from "./mortal-host.ts";
import { cycles } from "./sleep-cycles.ts";

const asleep = (pid: number) => readlinkSync(`/proc/${pid}/exe`).startsWith("/memfd:bunker-shim");
const sleeps = (shim: Shim) => until("the shim sleeps", () => asleep(shim.pid));

describe.skipIf(cannot !== undefined)(`the sleeping shim${cannot ? ` (${cannot})` : ""}`, () => {
  let host: Host;
  const environment = { BUNKER_SHIM_IDLE: "30" };
  beforeAll(() => {
    host = new Host();
  });
  afterAll(() => host.close(), 30_000);

  const running = async (id: string, options: Parameters<Host["shim"]>[1] = {}) => {
    const shim = await host.shim(id, { binary: "", ...options }).start(3, environment);
    return shim;
  };

  test("asleep it is one thread with the same pid, name in ps, OOM score, cgroup, children and subreaper flag", async () => {
    const shim = await running("still", { args: ["/bin/sleep", "1000"] });
    const out = shim.reader("stdout");
    await shim.create();
    await shim.task.start({ id: "still" });
    const told = (file: string) => readFileSync(`/proc/${shim.pid}/${file}`, "utf8");
    const [line, group] = [told("cmdline"), told("cgroup")];
    await sleeps(shim);
    // It is killed for memory before whoever started it, and lives outside of its container's limits.
    const score = 1 + Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
    expect(Number(told("oom_score_adj"))).toBe(Math.min(score, 1000));
    expect(told("cgroup")).toBe(group);
    expect(readFileSync(`/proc/${(await shim.task.state({ id: "still" })).pid}/cgroup`, "utf8")).not.toBe(
      group,
    );
    await sleeps(shim);
    // In the middle of an execve the kernel shows no command line, and the name is the first thing that the new program sets.
    await until("its line in ps", () => told("cmdline") === line);
    await until("its name", () => /^Name:\tcontainerd-shim$/m.test(told("status")));
    expect(told("status")).toMatch(/^Threads:\t1$/m);
    const pid = (await shim.task.state({ id: "still" })).pid;
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toContain(`PPid:\t${shim.pid}\n`);
    await sleeps(shim);
    // Signals to the sleeper end it as little as the shim awake.
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.kill(shim.pid, signal);
    expect((await shim.task.connect({ id: "still" })).shimPid).toBe(shim.pid);
    await shim.task.kill({ id: "still", signal: 9 });
    expect((await shim.task.wait({ id: "still" })).exitStatus).toBe(137);
    await shim.task.delete({ id: "still" });
    await shim.task.shutdown({ id: "still" });
    out.close();
  }, 30_000);

  test("a Wait that was asked before the sleep is answered after it, on the same connection", async () => {
    const shim = await running("waits", { args: ["/bin/cat"], stdin: true });
    const out = shim.reader("stdout");
    await shim.create();
    await shim.task.start({ id: "waits" });
    const waiting = shim.task.wait({ id: "waits" });
    await sleeps(shim);
    writeFifo(shim.fifo("stdin"), "through\n");
    await out.includes("through\n");
    expect(asleep(shim.pid)).toBe(true); // the process has its FIFOs itself
    await shim.task.closeIO({ id: "waits", stdin: true });
    expect((await waiting).exitStatus).toBe(0);
    await shim.task.delete({ id: "waits" });
    out.close();
  }, 30_000);

  test("half a request before the sleep, half after it", async () => {
    const shim = await running("halves", { args: ["/bin/sleep", "1000"] });
    const out = shim.reader("stdout");
    await shim.create();
    await shim.task.start({ id: "halves" });
    const answered = Promise.withResolvers<Uint8Array>();
    const raw = await Bun.connect({
      unix: shim.socket.replace("unix://", ""),
      socket: { binaryType: "uint8array", data: (_socket, chunk) => answered.resolve(chunk) },
    });
    const { frame, TYPE_REQUEST, TYPE_RESPONSE } = await import("../../src/wire/ttrpc/frame.ts");
    const { encode } = await import("../../src/wire/ttrpc/codec.ts");
    const { Request } = await import("../../src/wire/ttrpc/messages/rpc.ts");
    const { StateRequest } = await import("../../src/wire/ttrpc/messages/task.ts");
    const payload = encode(StateRequest, { id: "halves" });
    const bytes = frame(
      1,
      TYPE_REQUEST,
      encode(Request, { service: "containerd.task.v3.Task", method: "State", payload }),
    );
    raw.write(bytes.subarray(0, 25));
    await sleeps(shim);
    raw.write(bytes.subarray(25));
    expect((await answered.promise)[8]).toBe(TYPE_RESPONSE);
    raw.end();
    await shim.task.kill({ id: "halves", signal: 9 });
    await shim.task.wait({ id: "halves" });
    await shim.task.delete({ id: "halves" });
    out.close();
  }, 30_000);

  test("an exit, output for the log, an exec and a terminal wake it", async () => {
    const path = join(host.directory, "log", "x-json.log");
    const shim = await running("wakes", {
      args: ["/bin/sh", "-c", "printf half; read x; echo $x; read x; exit 7"],
      stdin: true,
      annotations: { "bunker.log.path": path },
    });
    await shim.create();
    await shim.task.start({ id: "wakes" });
    await sleeps(shim);
    writeFifo(shim.fifo("stdin"), "line\n");
    // The first half of the line was held by the shim when it slept.
    await until("the log", () => readFileSync(path, "utf8").includes('"log":"halfline\\n"'));
    await sleeps(shim);
    await shim.exec("e", ["/bin/sh", "-c", "tty; read x; echo got $x"], { stdin: true, terminal: true });
    const out = shim.reader("stdout", "e");
    await sleeps(shim); // with an exec that was not started
    await shim.task.start({ id: "wakes", execId: "e" });
    await out.includes("/dev/pts");
    await sleeps(shim);
    writeFifo(shim.fifo("stdin", "e"), "input\n");
    await out.includes("got input");
    expect((await shim.task.wait({ id: "wakes", execId: "e" })).exitStatus).toBe(0);
    await sleeps(shim);
    await shim.task.delete({ id: "wakes", execId: "e" });
    out.close();
    await sleeps(shim);
    const events = () => host.events.filter(({ event }) => event["containerId"] === "wakes");
    writeFifo(shim.fifo("stdin"), "end\n");
    await until("the exit's event", () => events().some(({ event }) => event["id"] === "wakes"));
    expect((await shim.task.state({ id: "wakes" })).exitStatus).toBe(7);
    await shim.task.delete({ id: "wakes" });
    await until("the last event", () => events().at(-1)?.topic === "/tasks/delete");
    expect(events().map(({ topic }) => topic.slice("/tasks/".length))).toEqual([
      "create",
      "start",
      "exec-added",
      "exec-started",
      "exit",
      "exit",
      "delete",
    ]);
  }, 30_000);

  for (const { ends, script } of [
    { ends: "reads on", script: "cat <&3" },
    { ends: "ends", script: "head -n 1 <&3" },
  ])
    test(`a log binary that ${ends} while the shim sleeps`, async () => {
      const id = `logger-${ends.split(" ")[0]}`;
      const file = join(host.directory, id);
      const logger = join(host.directory, `${id}.sh`);
      writeFileSync(logger, `#!/bin/sh\nPATH=/usr/bin:/bin\nexec 5>&-\n${script} >> ${file}\n`, {
        mode: 0o755,
      });
      const shim = await running(id, { args: ["/bin/sh", "-c", "echo one; read x; echo two"], stdin: true });
      await shim.create({ uri: `binary://${logger}` });
      await shim.task.start({ id });
      await until("the first line", () => readFileSync(file, "utf8") === "one\n");
      await sleeps(shim);
      await shim.task.state({ id });
      await sleeps(shim);
      writeFifo(shim.fifo("stdin"), "go\n");
      await shim.task.wait({ id });
      await shim.task.delete({ id });
      expect(readFileSync(file, "utf8")).toBe(ends === "ends" ? "one\n" : "one\ntwo\n");
      await shim.task.shutdown({ id });
    }, 30_000);

  test("out of memory while it sleeps: the event comes with the next process's death, before the exit", async () => {
    const shim = await running("oom", {
      args: ["/bin/sh", "-c", "read x; busybox sort /dev/zero; read x; exit 3"],
      stdin: true,
      edit: (spec) => {
        (spec["linux"] as Record<string, unknown>)["resources"] = { memory: { limit: 20_000_000 } };
        (spec["mounts"] as unknown[]).push({
          ...{ destination: "/dev/zero", type: "bind", source: "/dev/zero", options: ["bind"] },
        });
      },
    });
    const out = shim.reader("stdout");
    await shim.create();
    await shim.task.start({ id: "oom" });
    await sleeps(shim);
    writeFifo(shim.fifo("stdin"), "go\n");
    await until("the event", () =>
      host.events.some(({ topic, event }) => topic === "/tasks/oom" && event["containerId"] === "oom"),
    );
    expect((await shim.task.state({ id: "oom" })).exitStatus).toBe(0);
    writeFifo(shim.fifo("stdin"), "end\n");
    expect((await shim.task.wait({ id: "oom" })).exitStatus).toBe(3);
    await shim.task.delete({ id: "oom" });
    out.close();
  }, 30_000);

  describe("an executable that is not where it was", () => {
    /** A name of the running bun of its own, which can be taken away. */
    const program = (name: string) => {
      const path = join(host.directory, name);
      try {
        linkSync(process.execPath, path);
      } catch {
        copyFileSync(process.execPath, path); // on another file system
      }
      return path;
    };

    for (const { what, replace } of [
      { what: "taken away", replace: (path: string) => unlinkSync(path) },
      {
        what: "replaced by what the kernel does not execute",
        replace: (path: string) => {
          unlinkSync(path);
          writeFileSync(path, "not a program\n", { mode: 0o755 });
        },
      },
    ])
      test(`${what}: the shim wakes as what it was, execs, kills and deletes`, async () => {
        const path = program(what.replaceAll(" ", "-"));
        const { cmd } = selfCommand("containerd-shim-bunker-v2");
        const id = `path-${what.split(" ")[0]}`;
        const shim = await running(id, { program: [path, ...cmd.slice(1)], args: ["/bin/sleep", "1000"] });
        const out = shim.reader("stdout");
        await shim.create();
        await shim.task.start({ id });
        const waiting = shim.task.wait({ id });
        await sleeps(shim);
        replace(path);
        for (let round = 0; round < 2; round++) {
          const execId = `e${round}`;
          await shim.exec(execId, ["/bin/sh", "-c", "exit 3"]);
          const streams = [shim.reader("stdout", execId), shim.reader("stderr", execId)];
          await shim.task.start({ id, execId });
          expect((await shim.task.wait({ id, execId })).exitStatus).toBe(3);
          await shim.task.delete({ id, execId });
          for (const each of streams) each.close();
          await sleeps(shim);
        }
        await shim.task.kill({ id, signal: 9 });
        expect((await waiting).exitStatus).toBe(137);
        await shim.task.delete({ id });
        await shim.task.shutdown({ id });
        out.close();
        rmSync(path, { force: true });
        program(what.replaceAll(" ", "-")); // for the end of the host
      }, 30_000);
  });

  test("when it cannot become the waiting program it stays awake, with all it had", async () => {
    const id = "sleepless";
    const shim = await host
      .shim(id, { binary: "", args: ["/bin/cat"], stdin: true })
      .start(3, { BUNKER_SHIM_IDLE: "500" });
    const out = shim.reader("stdout");
    await shim.create();
    await shim.task.start({ id });
    const waiting = shim.task.wait({ id });
    const limit = (files: string) =>
      Bun.spawnSync(["prlimit", "--pid", String(shim.pid), `--nofile=${files}:65536`]);
    // No descriptor can be made, and so no program in memory.
    limit("3");
    expect(asleep(shim.pid)).toBe(false);
    const before = lookups();
    await until("some tries", () => lookups() > before + 3);
    expect(asleep(shim.pid)).toBe(false);
    expect((await shim.task.state({ id })).pid).toBeGreaterThan(0);
    writeFifo(shim.fifo("stdin"), "through\n");
    await out.includes("through\n");
    limit("1024");
    await sleeps(shim);
    await shim.task.closeIO({ id, stdin: true });
    expect((await waiting).exitStatus).toBe(0);
    await shim.task.delete({ id });
    out.close();

    /** How often the shim was scheduled of its own: it wakes for its next try to sleep. */
    function lookups(): number {
      const status = readFileSync(`/proc/${shim.pid}/status`, "utf8");
      return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)![1]);
    }
  }, 30_000);

  test("a hundred cycles under kills, bursts and connects lose nothing", async () => {
    const mortal = await MortalHost.make();
    let woken = 0;
    const more = { host: mortal, killDaemon: () => mortal.killDaemon(), onWake: () => woken++ };
    try {
      await cycles({ ...more, rounds: 80, seed: Date.now() });
      await cycles({ ...more, rounds: 20, seed: Date.now() + 1, killShim: true });
    } finally {
      await mortal.close();
    }
    expect(woken).toBeGreaterThan(50);
  }, 120_000);
});
