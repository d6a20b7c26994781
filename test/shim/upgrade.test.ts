// Another version takes over a living shim: awake under load, asleep, and when the executable at its path was replaced.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linkSync, mkdtempSync, readFileSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mkfifo } from "../../ffi/fifo.ts";
import { childEnvironment } from "../../src/self.ts";
import { ShimControl } from "../../src/wire/ttrpc/shim-control.ts";
import { built, bunker } from "../support/binary.ts";
import { cannot, FifoReader, Host, type Shim, until, writeFifo } from "./harness.ts";

const reason = cannot ?? (built ? undefined : "dist/bunker is not built");
const RELEASE = "99.0.0-test";

describe.skipIf(reason !== undefined)(`shim upgrade${reason ? ` (${reason})` : ""}`, () => {
  let host: Host;
  /** Beside each other, so that links can be made: the version of today, and the next. */
  let home: string;
  let next: string;
  beforeAll(() => {
    host = new Host();
    home = mkdtempSync(join(tmpdir(), "upgrade-"));
    next = join(home, "bunker-next");
    build(next);
  }, 60_000);
  afterAll(async () => {
    await host.close();
    rmSync(home, { recursive: true, force: true });
  }, 30_000);

  const build = (outfile: string, ...more: string[]) => {
    const script = join(import.meta.dir, "../../scripts/build.ts");
    const child = Bun.spawnSync(
      [process.execPath, script, "--release", RELEASE, "--outfile", outfile, ...more],
      { env: childEnvironment() },
    );
    if (child.exitCode !== 0) throw new Error(child.stderr.toString());
  };
  const upgrade = async (...args: string[]) => {
    const child = Bun.spawn([next, "shim", "upgrade", ...args], {
      env: childEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { code: await child.exited, stdout, stderr };
  };
  const exe = (shim: Shim) => readlinkSync(`/proc/${shim.pid}/exe`);
  /** Writes numbered lines all the time until it is told to end. */
  const talker =
    "exec 3<&0; n=0; (read x <&3; busybox touch /tmp/end) & while [ ! -e /tmp/end ]; do echo line $n; n=$((n+1)); done; exit 7";

  for (const { when, idle } of [
    { when: "awake, with a container that talks all the time", idle: "0" },
    { when: "asleep", idle: "20" },
  ])
    test(`${when}: no line, no exit, no event is lost, and the connection stays`, async () => {
      const id = idle === "0" ? "talks" : "sleeps";
      const path = join(host.directory, "log", `${id}.log`);
      const args = ["/bin/sh", "-c", idle === "0" ? talker : "echo line 0; read x; echo line 1; exit 7"];
      const shim = await host
        .shim(id, {
          ...{ program: [bunker], binary: "", args, stdin: true },
          annotations: { "bunker.log.path": path },
        })
        .start(3, { BUNKER_SHIM_IDLE: idle });
      await shim.create();
      await shim.task.start({ id });
      const waiting = shim.task.wait({ id });
      await shim.exec("e", ["/bin/sh", "-c", "read x; exit 5"], { stdin: true });
      await shim.task.start({ id, execId: "e" });
      const execWaiting = shim.task.wait({ id, execId: "e" });
      await until("the first line", () => readFileSync(path, "utf8").includes("line 0"));
      if (idle !== "0") await until("sleep", () => exe(shim).startsWith("/memfd:"));

      const { code, stdout, stderr } = await upgrade(id);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(new RegExp(`^test/${id}: .* → ${RELEASE} \\(.*\\)\\n$`));
      if (idle === "0") expect(exe(shim)).toBe(next);
      expect((await upgrade(id)).stdout).toContain("already");

      writeFifo(shim.fifo("stdin", "e"), "end\n");
      expect((await execWaiting).exitStatus).toBe(5);
      writeFifo(shim.fifo("stdin"), "end\n");
      expect((await waiting).exitStatus).toBe(7);
      const lines = readFileSync(path, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { log: string }).log);
      lines.forEach((line, n) => {
        if (line !== `line ${n}\n`) throw new Error(`line ${n} is ${JSON.stringify(line)}`);
      });
      expect(lines.length).toBeGreaterThan(1);
      await shim.task.delete({ id, execId: "e" });
      expect((await shim.task.delete({ id })).exitStatus).toBe(7);
      const topics = () =>
        host.events.filter(({ event }) => event["containerId"] === id).map(({ topic }) => topic.slice(7));
      await until("the last event", () => topics().at(-1) === "delete");
      expect(topics()).toEqual(["create", "start", "exec-added", "exec-started", "exit", "exit", "delete"]);
      await shim.task.shutdown({ id });
    }, 60_000);

  test("a replaced executable takes over when containerd connects, and a sleeper wakes as it", async () => {
    const own = join(home, "bunker");
    linkSync(bunker, own);
    const awake = await host
      .shim("replaced", { program: [own], binary: "", args: ["/bin/sleep", "1000"] })
      .start(3, { BUNKER_SHIM_IDLE: "0" });
    const asleep = await host
      .shim("dreams", { program: [own], binary: "", args: ["/bin/sleep", "1000"] })
      .start(3, { BUNKER_SHIM_IDLE: "20" });
    for (const shim of [awake, asleep]) {
      await shim.create();
      await shim.task.start({ id: shim.id });
    }
    await until("sleep", () => exe(asleep).startsWith("/memfd:"));
    linkSync(next, `${own}.new`);
    renameSync(`${own}.new`, own);
    await awake.task.connect({ id: "replaced" });
    await until("the new version", () => exe(awake) === own);
    await asleep.task.state({ id: "dreams" });
    for (const shim of [awake, asleep]) {
      expect((await upgrade(shim.id)).stdout).toContain(RELEASE);
      await shim.task.kill({ id: shim.id, signal: 9 });
      expect((await shim.task.wait({ id: shim.id })).exitStatus).toBe(137);
      await shim.task.delete({ id: shim.id });
      await shim.task.shutdown({ id: shim.id });
    }
  }, 60_000);

  test("a version that does not know the state gives it back: the old one goes on with all it had", async () => {
    const odd = join(home, "bunker-odd");
    build(odd, "--define", "BUNKER_STATE_FORMAT=99");
    const id = "back";
    const shim = host.shim(id, { program: [bunker], binary: "", args: ["/bin/cat"], stdin: true });
    mkfifo(join(shim.bundle, "log"));
    const log = new FifoReader(join(shim.bundle, "log"));
    await shim.start(3);
    const out = shim.reader("stdout");
    await shim.create();
    await shim.task.start({ id });
    const waiting = shim.task.wait({ id });
    await shim.client.service(ShimControl).upgrade({ program: odd });
    await log.includes("going back to the version before");
    expect((await shim.client.service(ShimControl).version({})).program).toBe(bunker);
    await shim.exec("e", ["/bin/sh", "-c", "exit 5"]);
    const streams = [shim.reader("stdout", "e"), shim.reader("stderr", "e")];
    // On a connection that is made now.
    await shim.connect(3);
    await shim.task.start({ id, execId: "e" });
    expect((await shim.task.wait({ id, execId: "e" })).exitStatus).toBe(5);
    await shim.task.delete({ id, execId: "e" });
    writeFifo(shim.fifo("stdin"), "through\n");
    await out.includes("through\n");
    await shim.task.closeIO({ id, stdin: true });
    expect((await waiting).exitStatus).toBe(0);
    await shim.task.delete({ id });
    await shim.task.shutdown({ id });
    for (const each of [out, log, ...streams]) each.close();
  }, 60_000);

  test("a container that is not there, a program that is none", async () => {
    const shim = await host.shim("stays", { program: [bunker], binary: "" }).start(3);
    const control = shim.client.service(ShimControl);
    const become = (program: string) => control.upgrade({ program });
    await expect(become("/bin/true")).rejects.toThrow("upgrade to /bin/true: it is no shim of this kind");
    await expect(become("/no/such")).rejects.toThrow("no such file or directory");
    await expect(become("/etc/passwd")).rejects.toThrow("it is no executable file");
    await expect(become("bunker")).rejects.toThrow("the path is not absolute");
    expect((await control.version({})).program).toBe(bunker);
    await shim.task.shutdown({ id: "stays" });
    expect(await upgrade("nobody")).toMatchObject({
      code: 1,
      stderr: "shim upgrade: no living shim of nobody\n",
    });
  }, 30_000);
});
