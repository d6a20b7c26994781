import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "../../src/wire/ttrpc/codec.ts";
import { DeleteResponse } from "../../src/wire/ttrpc/messages/task.ts";
import { STATUS } from "../../src/wire/ttrpc/messages/types.ts";
import { cannot, Host, until, writeFifo } from "./harness.ts";

const host = cannot ? undefined : new Host();
afterAll(() => host?.close());
const here = host as Host;

describe.skipIf(cannot !== undefined)(`our shim over real runc${cannot ? ` (${cannot})` : ""}`, () => {
  test("a whole life: create, start, output, wait, delete, shutdown; events in the promised order", async () => {
    const shim = await here
      .shim("life", { args: ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"] })
      .start();
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
    const shim = await here.shim("stdin", { args: ["/bin/cat"], stdin: true }).start(3);
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
    const shim = await here.shim("kill", { args: ["/bin/sleep", "1000"] }).start();
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
    const shim = await here.shim("bad", { args: ["/no/such/program"] }).start();
    await expect(shim.create()).rejects.toThrow(/^OCI runtime create failed: .*no such file or directory/);
    expect(existsSync(join(shim.bundle, "init.pid"))).toBe(false);
    await expect(shim.task.state({ id: "bad" })).rejects.toMatchObject({ code: "NotFound" });
    await shim.task.shutdown({ id: "bad" });
    await shim.client.closed;
  }, 30_000);

  test("a created container can be deleted without having run", async () => {
    const shim = await here.shim("unstarted", { args: ["/bin/true"] }).start();
    await shim.create();
    expect((await shim.task.delete({ id: "unstarted" })).exitStatus).toBe(137);
  }, 30_000);

  test("exec: output, exit status, events, deletion", async () => {
    const shim = await here.shim("exec", { args: ["/bin/sleep", "1000"] }).start();
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
    await expect(shim.task.start({ id: "exec", execId: "e2" })).rejects.toThrow(/^OCI runtime exec failed: /);
    await shim.task.delete({ id: "exec", execId: "e2" });
    expect(
      here.events.filter(({ event }) => event["execId"] === "e1" || event["id"] === "e1").map((e) => e.topic),
    ).toEqual(["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"]);
  }, 30_000);

  test("a terminal: output, input, size, hang-up", async () => {
    const shim = await here
      .shim("tty", {
        args: ["/bin/sh", "-c", "stty size; read x; stty size; echo got $x; tty"],
        terminal: true,
        stdin: true,
      })
      .start();
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
    const shim = await here.shim("away", { args: ["/bin/true"] }).start();
    here.deafen();
    here.events.length = 0;
    await shim.create();
    await shim.task.start({ id: "away" });
    await shim.task.wait({ id: "away" });
    await shim.task.delete({ id: "away" });
    here.listen();
    await until("events", () => here.events.length === 4);
    expect(here.topics()).toEqual(["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]);
  }, 30_000);

  test("delete after the shim was killed: container, mounts and socket go, killed is the answer", async () => {
    const shim = await here.shim("dead", { args: ["/bin/sleep", "1000"] }).start();
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
    const shim = await here.shim("recorded", { args: ["/bin/sh", "-c", "exit 5"] }).start();
    await shim.create();
    await shim.task.start({ id: "recorded" });
    await shim.task.wait({ id: "recorded" });
    process.kill(shim.pid, "SIGKILL");
    await shim.client.closed;
    expect(decode(DeleteResponse, (await shim.action("delete")).stdout).exitStatus).toBe(5);
  }, 30_000);

  test("the process: session, subreaper, cwd, name; signals do not end it", async () => {
    const shim = await here.shim("process", { args: ["/bin/true"] }).start();
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
});
