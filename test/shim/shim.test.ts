import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "../../src/wire/ttrpc/codec.ts";
import { DeleteResponse } from "../../src/wire/ttrpc/messages/task.ts";
import { STATUS } from "../../src/wire/ttrpc/messages/types.ts";
import { type BundleOptions, cannot, FifoReader, Host, runc, until, writeFifo } from "./harness.ts";

const runtimes = [
  { name: "real runc", binary: runc ?? "", missing: runc ? undefined : "needs runc" },
  { name: "our runtime", binary: "", missing: undefined },
];

for (const { name, binary, missing } of runtimes) {
  const reason = cannot ?? missing;
  describe.skipIf(reason !== undefined)(`our shim over ${name}${reason ? ` (${reason})` : ""}`, () => {
    let here: Host;
    beforeAll(() => {
      here = new Host();
    });
    afterAll(() => here.close());
    const shimOf = (id: string, options: BundleOptions) => here.shim(id, { binary, ...options });

    test("a whole life: create, start, output, wait, delete, shutdown; events in the promised order", async () => {
      const shim = await shimOf("life", {
        args: ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"],
      }).start();
      const out = shim.reader("stdout");
      const err = shim.reader("stderr");
      const { pid } = await shim.create();
      expect(pid).toBeGreaterThan(1);
      expect(await shim.task.state({ id: "life" })).toMatchObject({
        status: STATUS.CREATED,
        pid,
        exitedAt: undefined,
      });
      const waiting = shim.task.wait({ id: "life" });
      expect((await shim.task.start({ id: "life" })).pid).toBe(pid);
      expect((await waiting).exitStatus).toBe(7);
      expect(await out.end()).toBe("out\n");
      expect(await err.end()).toBe("err\n");
      expect(await shim.task.state({ id: "life" })).toMatchObject({ status: STATUS.STOPPED, exitStatus: 7 });
      expect(JSON.parse(readFileSync(join(shim.bundle, "exit.json"), "utf8"))).toMatchObject({
        pid,
        exitStatus: 7,
      });
      expect(await shim.task.delete({ id: "life" })).toMatchObject({ pid, exitStatus: 7 });
      await expect(shim.task.state({ id: "life" })).rejects.toMatchObject({ code: "NotFound" });
      await shim.task.shutdown({ id: "life" });
      await shim.client.closed;
      await until("the shim's end", () => !existsSync(`/proc/${shim.pid}`));
      expect(existsSync(shim.answer.slice("unix://".length))).toBe(false);
      expect(here.topics()).toEqual(["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]);
      expect(here.events[2]!.event).toMatchObject({ containerId: "life", id: "life", pid, exitStatus: 7 });
    }, 30_000);

    test("stdin reaches the process, and its end comes by CloseIO", async () => {
      const shim = await shimOf("stdin", { args: ["/bin/cat"], stdin: true }).start(3);
      const out = shim.reader("stdout");
      await shim.create();
      await shim.task.start({ id: "stdin" });
      writeFifo(shim.fifo("stdin"), "one\n");
      await out.includes("one\n");
      writeFifo(shim.fifo("stdin"), "two\n");
      await out.includes("two\n");
      await shim.task.closeIO({ id: "stdin", stdin: true });
      expect((await shim.task.wait({ id: "stdin" })).exitStatus).toBe(0);
      expect(await out.end()).toBe("one\ntwo\n");
    }, 30_000);

    test("kill, and errors as the runc shim words them", async () => {
      const shim = await shimOf("kill", { args: ["/bin/sleep", "1000"] }).start();
      await shim.create();
      await expect(shim.create()).rejects.toMatchObject({ code: "AlreadyExists" });
      await expect(shim.task.pause({ id: "kill" })).rejects.toThrow("cannot pause task in created state");
      await shim.task.start({ id: "kill" });
      await expect(shim.task.start({ id: "kill" })).rejects.toThrow("cannot start a running process");
      await expect(shim.task.delete({ id: "kill" })).rejects.toThrow("cannot delete a running process");
      await expect(shim.task.state({ id: "kill", execId: "no" })).rejects.toMatchObject({ code: "NotFound" });
      await expect(shim.task.kill({ id: "other", signal: 9 })).rejects.toMatchObject({ code: "NotFound" });
      await shim.task.pause({ id: "kill" });
      expect((await shim.task.state({ id: "kill" })).status).toBe(STATUS.PAUSED);
      await shim.task.resume({ id: "kill" });
      await shim.task.shutdown({ id: "kill" });
      expect((await shim.task.pids({ id: "kill" })).processes.length).toBe(1);
      await shim.task.kill({ id: "kill", signal: 9 });
      expect((await shim.task.wait({ id: "kill" })).exitStatus).toBe(137);
      await expect(shim.task.kill({ id: "kill", signal: 9 })).rejects.toMatchObject({
        code: "NotFound",
        message: "process already finished",
      });
      expect((await shim.task.delete({ id: "kill" })).exitStatus).toBe(137);
    }, 30_000);

    test("what the runtime says of a failed create is passed on, and nothing is left", async () => {
      const shim = await shimOf("bad", { args: ["/no/such/program"] }).start();
      await expect(shim.create()).rejects.toThrow(/^OCI runtime create failed: .*no such file or directory/);
      expect(existsSync(join(shim.bundle, "init.pid"))).toBe(false);
      await expect(shim.task.state({ id: "bad" })).rejects.toMatchObject({ code: "NotFound" });
      await shim.task.shutdown({ id: "bad" });
      await shim.client.closed;
    }, 30_000);

    test("a created container can be deleted without having run", async () => {
      const shim = await shimOf("unstarted", { args: ["/bin/true"] }).start();
      await shim.create();
      expect((await shim.task.delete({ id: "unstarted" })).exitStatus).toBe(137);
    }, 30_000);

    test("exec: output, exit status, events, deletion", async () => {
      const shim = await shimOf("exec", { args: ["/bin/sleep", "1000"] }).start();
      await shim.create();
      await shim.task.start({ id: "exec" });
      await shim.exec("e1", ["/bin/sh", "-c", "cat; echo done; exit 3"], { stdin: true });
      const out = shim.reader("stdout", "e1");
      expect((await shim.task.state({ id: "exec", execId: "e1" })).status).toBe(STATUS.CREATED);
      const { pid } = await shim.task.start({ id: "exec", execId: "e1" });
      writeFifo(shim.fifo("stdin", "e1"), "typed\n");
      await out.includes("typed\n");
      const { processes } = await shim.task.pids({ id: "exec" });
      expect(processes.map((p) => [p.pid, p.info !== undefined])).toContainEqual([pid, true]);
      await shim.task.closeIO({ id: "exec", execId: "e1", stdin: true });
      expect((await shim.task.wait({ id: "exec", execId: "e1" })).exitStatus).toBe(3);
      expect(await out.end()).toBe("typed\ndone\n");
      expect(await shim.task.delete({ id: "exec", execId: "e1" })).toMatchObject({ pid, exitStatus: 3 });
      await shim.exec("e2", ["/no/such"]);
      await expect(shim.task.start({ id: "exec", execId: "e2" })).rejects.toThrow(
        /^OCI runtime exec failed: /,
      );
      await shim.task.delete({ id: "exec", execId: "e2" });
      expect(
        here.events
          .filter(({ event }) => event["execId"] === "e1" || event["id"] === "e1")
          .map((e) => e.topic),
      ).toEqual(["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"]);
    }, 30_000);

    test("a terminal: output, input, size, hang-up", async () => {
      const shim = await shimOf("tty", {
        args: ["/bin/sh", "-c", "stty size; read x; stty size; echo got $x; tty"],
        terminal: true,
        stdin: true,
      }).start();
      const out = shim.reader("stdout");
      await shim.create();
      await shim.task.resizePty({ id: "tty", width: 101, height: 33 });
      await shim.task.start({ id: "tty" });
      await out.includes("33 101\r\n");
      await shim.task.resizePty({ id: "tty", width: 80, height: 24 });
      writeFifo(shim.fifo("stdin"), "word\n");
      await out.includes("24 80\r\n");
      expect((await shim.task.wait({ id: "tty" })).exitStatus).toBe(0);
      expect(await out.end()).toContain("got word\r\n/dev/");
      await shim.task.delete({ id: "tty" });
    }, 30_000);

    test("events wait while containerd is away, and come in order", async () => {
      const shim = await shimOf("away", { args: ["/bin/true"] }).start();
      here.deafen();
      const before = here.events.length;
      await shim.create();
      await shim.task.start({ id: "away" });
      await shim.task.wait({ id: "away" });
      await shim.task.delete({ id: "away" });
      here.listen();
      await until("events", () => here.events.length === before + 4);
      expect(here.topics().slice(before)).toEqual([
        "/tasks/create",
        "/tasks/start",
        "/tasks/exit",
        "/tasks/delete",
      ]);
    }, 30_000);

    test("delete after the shim was killed: container, mounts and socket go, killed is the answer", async () => {
      const shim = await shimOf("dead", { args: ["/bin/sleep", "1000"] }).start();
      const { pid } = await shim.create();
      await shim.task.start({ id: "dead" });
      process.kill(shim.pid, "SIGKILL");
      await shim.client.closed;
      const { code, stdout } = await shim.action("delete");
      expect(code).toBe(0);
      expect(decode(DeleteResponse, stdout)).toMatchObject({ pid, exitStatus: 137 });
      expect(existsSync(shim.answer.slice("unix://".length))).toBe(false);
      await until(
        "the container's end",
        () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "),
      );
    }, 30_000);

    test("delete after the shim was killed with the exit recorded: the true status", async () => {
      const shim = await shimOf("recorded", { args: ["/bin/sh", "-c", "exit 5"] }).start();
      await shim.create();
      await shim.task.start({ id: "recorded" });
      await shim.task.wait({ id: "recorded" });
      process.kill(shim.pid, "SIGKILL");
      await shim.client.closed;
      expect(decode(DeleteResponse, (await shim.action("delete")).stdout).exitStatus).toBe(5);
    }, 30_000);

    test("the process: session, subreaper, cwd, name; signals do not end it", async () => {
      const shim = await shimOf("process", { args: ["/bin/true"] }).start();
      const stat = readFileSync(`/proc/${shim.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
      expect(Number(stat[3])).toBe(shim.pid); // session
      expect(readFileSync(`/proc/${shim.pid}/cmdline`, "utf8")).toContain(shim.bundle);
      process.kill(shim.pid, "SIGTERM");
      process.kill(shim.pid, "SIGINT");
      expect((await shim.task.connect({ id: "process" })).shimPid).toBe(shim.pid);
      // A second start finds the living one.
      const again = await shim.action("start", { MAX_SHIM_VERSION: "3" });
      expect(JSON.parse(new TextDecoder().decode(again.stdout))).toEqual({
        version: 3,
        address: shim.answer,
        protocol: "ttrpc",
      });
      await shim.task.shutdown({});
      await shim.client.closed;
    }, 30_000);

    test("json-file log by annotation: every line, without a reader, and relayed to one that comes", async () => {
      const path = join(here.directory, "log", "x-json.log");
      const shim = await shimOf("logged", {
        args: ["/bin/sh", "-c", "echo first; echo oops >&2; read x; echo second; read x; printf unfinished"],
        stdin: true,
        annotations: { "bunker.log.driver": "json-file", "bunker.log.path": path },
      }).start();
      await shim.create();
      await shim.task.start({ id: "logged" });
      const lines = () => (existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : []);
      await until("two lines", () => lines().length === 2);
      const out = new FifoReader(shim.fifo("stdout"), false);
      await shim.task.connect({ id: "logged" });
      writeFifo(shim.fifo("stdin"), "\n");
      await out.includes("second\n");
      out.close(); // The reader goes: EPIPE, and the log goes on.
      writeFifo(shim.fifo("stdin"), "\n");
      await shim.task.wait({ id: "logged" });
      const entries = lines().map(
        (line) => JSON.parse(line) as { log: string; stream: string; time: string },
      );
      expect(entries.map(({ log, stream }) => [stream, log]).sort()).toEqual([
        ["stderr", "oops\n"],
        ["stdout", "first\n"],
        ["stdout", "second\n"],
        ["stdout", "unfinished"],
      ]);
      expect(entries[0]!.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
      await shim.task.delete({ id: "logged" });
    }, 30_000);

    test("a reader that does not read stops neither the exit nor the log", async () => {
      const path = join(here.directory, "log", "stalled-json.log");
      const shim = await shimOf("stalled", {
        args: ["/bin/sh", "-c", "seq 1 9000"],
        annotations: { "bunker.log.path": path },
      }).start();
      const out = shim.reader("stdout");
      await shim.create();
      await shim.task.start({ id: "stalled" });
      expect((await shim.task.wait({ id: "stalled" })).exitStatus).toBe(0);
      expect(readFileSync(path, "utf8").split("\n").length).toBe(9001);
      expect(await out.end()).toBe(Array.from({ length: 9000 }, (_, i) => `${i + 1}\n`).join(""));
      await shim.task.delete({ id: "stalled" });
    }, 30_000);

    test("a terminal's output is logged too", async () => {
      const path = join(here.directory, "log", "tty-json.log");
      const shim = await shimOf("ttylog", {
        args: ["/bin/sh", "-c", "echo seen"],
        terminal: true,
        annotations: { "bunker.log.path": path },
      }).start();
      await shim.create();
      await shim.task.start({ id: "ttylog" });
      await shim.task.wait({ id: "ttylog" });
      expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ log: "seen\r\n", stream: "stdout" });
      await shim.task.delete({ id: "ttylog" });
    }, 30_000);

    test("without a pid namespace of its own: what init leaves behind is killed", async () => {
      const shim = await shimOf("hostpid", {
        args: ["/bin/sh", "-c", "sleep 1000 & echo $!; exit 3"],
        hostPids: true,
      }).start();
      const out = shim.reader("stdout");
      await shim.create();
      await shim.task.start({ id: "hostpid" });
      expect((await shim.task.wait({ id: "hostpid" })).exitStatus).toBe(3);
      const left = Number(await out.end());
      expect(left).toBeGreaterThan(1);
      await until("the end of what was left", () => !existsSync(`/proc/${left}`));
      await shim.task.delete({ id: "hostpid" });
    }, 30_000);

    test("root file system mounts: made for the container, gone after it", async () => {
      const shim = shimOf("mounted", { args: ["/bin/cat", "/added"] });
      // The lower directory is the busybox tree; rootfs itself is empty.
      renameSync(join(shim.bundle, "rootfs"), join(shim.bundle, "lower"));
      for (const name of ["rootfs", "upper", "work-overlay"]) mkdirSync(join(shim.bundle, name));
      writeFileSync(join(shim.bundle, "upper", "added"), "from the upper\n");
      await shim.start();
      const out = shim.reader("stdout");
      const err = shim.reader("stderr");
      const at = (name: string) => join(shim.bundle, name);
      await shim.create({
        mounts: [
          {
            type: "overlay",
            source: "overlay",
            options: [`lowerdir=${at("lower")}`, `upperdir=${at("upper")}`, `workdir=${at("work-overlay")}`],
          },
        ],
      });
      await shim.task.start({ id: "mounted" });
      await shim.task.wait({ id: "mounted" });
      expect([await out.end(), await err.end()]).toEqual(["from the upper\n", ""]);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).toContain(at("rootfs"));
      await shim.task.delete({ id: "mounted" });
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(at("rootfs"));
    }, 30_000);

    test("large output and input pass whole", async () => {
      const shim = await shimOf("large", {
        args: ["/bin/sh", "-c", "head -c 8000000 /dev/zero; cat >/dev/null"],
        stdin: true,
      }).start();
      const out = shim.reader("stdout");
      await shim.create();
      await shim.task.start({ id: "large" });
      await until("8 MB", () => {
        out.poll();
        return out.bytes === 8_000_000;
      });
      // The same through an exec, which is relayed.
      await shim.exec("cat", ["/bin/sh", "-c", "head -c 3000000 /dev/zero"]);
      const relayed = shim.reader("stdout", "cat");
      await shim.task.start({ id: "large", execId: "cat" });
      relayed.release();
      await until("3 MB", () => {
        relayed.poll();
        return relayed.bytes === 3_000_000;
      });
      await shim.task.wait({ id: "large", execId: "cat" });
      await shim.task.delete({ id: "large", execId: "cat" });
      await shim.task.closeIO({ id: "large", stdin: true });
      await shim.task.wait({ id: "large" });
      out.close();
      relayed.close();
      await shim.task.delete({ id: "large" });
    }, 30_000);

    test("a container killed for memory: the event comes before the exit", async () => {
      const shim = await shimOf("oom", {
        args: ["/bin/busybox", "sort", "/dev/zero"],
        edit: (spec) => {
          (spec["linux"] as Record<string, unknown>)["resources"] = {
            memory: { limit: 20_000_000 },
          };
          (spec["mounts"] as unknown[]).push({
            destination: "/dev/zero",
            type: "bind",
            source: "/dev/zero",
            options: ["bind"],
          });
        },
      }).start();
      await shim.create();
      await shim.task.start({ id: "oom" });
      expect((await shim.task.wait({ id: "oom" })).exitStatus).toBe(137);
      await shim.task.delete({ id: "oom" });
      const mine = () =>
        here.events.filter(({ event }) => event["containerId"] === "oom").map(({ topic }) => topic);
      await until("events", () => mine().includes("/tasks/delete"));
      expect(mine()).toEqual(["/tasks/create", "/tasks/start", "/tasks/oom", "/tasks/exit", "/tasks/delete"]);
    }, 30_000);

    test("streams belong to the container's root where ids are remapped", async () => {
      // A runtime that notes what it was given: afterwards the real ones own the streams as they see fit.
      const note = join(here.directory, "noted");
      const wrapper = join(here.directory, "noting-runtime");
      writeFileSync(
        wrapper,
        `#!/bin/sh\n[ -e ${note} ] || stat -Lc %u /dev/fd/3 3>&1 > ${note}\nexec ${runc} "$@"\n`,
      );
      chmodSync(wrapper, 0o755);
      const shim = await shimOf("owner", { args: ["/bin/true"], ioUid: 4711, binary: wrapper }).start();
      const out = shim.reader("stdout");
      await shim.create();
      expect(readFileSync(note, "utf8")).toBe("4711\n");
      out.close();
      await shim.task.delete({ id: "owner" });
    }, 30_000);
  });
}
