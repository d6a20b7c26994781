// Commands beside the life cycle: statistics and OOM events, limits changed while running, descriptors of processes,
// sub-cgroups, help.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linkText } from "../../ffi/path.ts";
import { accept, listenUnix, receiveFds } from "../../ffi/socket.ts";
import { subCgroups } from "../../src/roles/runtime/cgroup/sub-cgroups.ts";
import { parseDuration } from "../../src/roles/runtime/duration.ts";
import { listFormat } from "../../src/roles/runtime/stats/read.ts";
import { statsV2 } from "../../src/roles/runtime/stats/v2.ts";
import { Ground, unable, until } from "./ground.ts";

const it = test.skipIf(unable !== "");
const v1Memory = existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes");

/** The state's own word on where the container's cgroup of a controller is. */
const cgroup = (ground: Ground, controller: string): string => {
  const state = JSON.parse(readFileSync(join(ground.root, ground.id, "state.json"), "utf8"));
  return state.cgroup_paths[controller] ?? state.cgroup_paths[""];
};

describe(`events${unable && ` (skipped: ${unable})`}`, () => {
  it("--stats prints one document with what the cgroups count", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"], (config) => {
      config.linux!.resources!.memory = { limit: 32 << 20 };
      config.linux!.resources!.pids = { limit: 17 };
    });
    await ground.ok("run", "-d", ground.id);
    const event = JSON.parse(await ground.ok("events", "--stats", ground.id));
    expect(event.type).toBe("stats");
    expect(event.id).toBe(ground.id);
    expect(event.data.pids).toEqual({ current: 1, limit: 17 });
    expect(event.data.memory.usage.limit).toBe(32 << 20);
    expect(event.data.memory.usage.usage).toBeGreaterThan(0);
    expect(event.data.cpu.usage.total).toBeGreaterThan(0);
    expect(event.data.network_interfaces).toBeNull();
  });

  it("tells each OOM kill and ends with the container", async () => {
    await using ground = new Ground();
    ground.shell(
      "while [ ! -e /tmp/go ]; do sleep 0.02; done; dd if=/dev/zero of=/dev/null bs=64M count=1; echo survived >&2; exit 0",
      (config) => {
        config.linux!.resources!.memory = { limit: 8 << 20, swap: 8 << 20 };
        config.root!.readonly = false;
      },
    );
    await ground.ok("run", "-d", ground.id);
    const watcher = Bun.spawn(ground.command("events", ground.id), {
      cwd: ground.bundle,
      env: {},
      stdout: "pipe",
    });
    if (v1Memory)
      await until("the watcher", () =>
        [...new Bun.Glob("*").scanSync({ cwd: `/proc/${watcher.pid}/fd`, onlyFiles: false })].some((fd) => {
          try {
            return linkText(`/proc/${watcher.pid}/fd/${fd}`).includes("memory.oom_control");
          } catch {
            return false;
          }
        }),
      );
    writeFileSync(join(ground.rootfs, "tmp", "go"), "");
    const said = await new Response(watcher.stdout).text();
    expect(await watcher.exited).toBe(0);
    expect(said.split("\n").filter(Boolean)).toContain(JSON.stringify({ type: "oom", id: ground.id }));
  });

  it("refuses a bad interval and a stopped container", async () => {
    await using ground = new Ground();
    ground.configure(["true"]);
    await ground.ok("run", "--keep", ground.id);
    expect((await ground.runc(["events", ground.id])).err).toContain(
      `container with id ${ground.id} is not running`,
    );
    expect((await ground.runc(["events", "--interval", "0s", ground.id])).err).toContain(
      "duration interval must be greater than 0",
    );
    expect((await ground.runc(["events", "--interval", "soon", ground.id])).code).toBe(1);
  });
});

describe("update", () => {
  it("sets limits by flags and by a document, and refuses bad ones with nothing changed", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    await ground.ok("run", "-d", ground.id);
    await ground.ok("update", "--pids-limit", "20", "--memory", "30m", ground.id);
    const limits = async () => {
      const { pids, memory } = JSON.parse(await ground.ok("events", "--stats", ground.id)).data;
      return [pids.limit, memory.usage.limit];
    };
    expect(await limits()).toEqual([20, 30 << 20]);
    writeFileSync(join(ground.directory, "limits.json"), JSON.stringify({ pids: { limit: 7 } }));
    await ground.ok("update", "-r", join(ground.directory, "limits.json"), ground.id);
    expect(await limits()).toEqual([7, 30 << 20]);
    const bad = await ground.runc(["update", "--cpu-share", "abc", ground.id]);
    expect(bad.err).toContain(
      'invalid value for cpu-share: strconv.ParseUint: parsing \\"abc\\": invalid syntax',
    );
    expect((await ground.runc(["update", "--memory", "lots", ground.id])).err).toContain(
      "invalid value for memory: invalid size: 'lots'",
    );
    expect(await limits()).toEqual([7, 30 << 20]);
    await ground.ok("update", "--cpu-idle", "1", ground.id);
    await ground.ok("update", "--cpu-idle", "0", "--cpu-share", "300", ground.id);
    if (existsSync(join(cgroup(ground, "cpu"), "cpu.idle")))
      expect(readFileSync(join(cgroup(ground, "cpu"), "cpu.idle"), "utf8")).toBe("0\n");
  });
});

describe("descriptors of processes", () => {
  it("create and exec send a pidfd to --pidfd-socket", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    const path = join(ground.directory, "pidfd.sock");
    using listener = listenUnix(path);
    const received = async (pid: number, kind: string) => {
      let connection: ReturnType<typeof accept>;
      await until("the connection", () => {
        connection = accept(listener);
        return connection !== undefined;
      });
      const message = receiveFds(connection!);
      connection!.close();
      expect(new TextDecoder().decode(message?.data)).toBe(kind);
      const info = readFileSync(`/proc/self/fdinfo/${message!.fds[0]!.number}`, "utf8");
      for (const fd of message!.fds) fd.close();
      expect(Number(/^Pid:\s*(\d+)/m.exec(info)?.[1])).toBe(pid);
    };
    await ground.ok("create", "--pidfd-socket", path, ground.id);
    await received((await ground.state()).pid, "standard");
    await ground.ok("start", ground.id);
    const pidFile = join(ground.directory, "exec.pid");
    await ground.ok("exec", "-d", "--pidfd-socket", path, "--pid-file", pidFile, ground.id, "sleep", "1000");
    await received(Number(readFileSync(pidFile, "utf8")), "setns");
    const nobody = await ground.runc(["exec", "--pidfd-socket", "/nonexistent", ground.id, "true"]);
    expect(nobody.code).toBe(255);
    expect(nobody.err).toContain("dial unix /nonexistent: connect: no such file or directory");
  });

  it("exec --cgroup joins a cgroup below the container's own", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    await ground.ok("run", "-d", ground.id);
    const below = join(cgroup(ground, "pids"), "inner");
    mkdirSync(below);
    await ground.ok("exec", "-d", "--cgroup", "pids:inner", ground.id, "sleep", "1000");
    expect(readFileSync(join(below, "cgroup.procs"), "utf8")).toMatch(/^\d+\n$/);
    expect((await ground.runc(["exec", "--cgroup", "pids:../../x", ground.id, "true"])).err).toContain(
      "is not a sub cgroup path",
    );
    expect((await ground.runc(["exec", "--cgroup", "nope:x", ground.id, "true"])).err).toContain(
      "unknown controller nope",
    );
    await ground.ok("delete", "--force", ground.id);
    expect(existsSync(below)).toBe(false);
  });
});

describe("words", () => {
  it("every command has a help text, wrong flags show it and exit with 1", async () => {
    await using ground = new Ground();
    const help = await ground.ok("--help");
    const names = [...help.matchAll(/^ {3}([a-z]+) {2,}\S/gm)].map((match) => match[1]!);
    expect(names).toContain("events");
    for (const name of ["run", "exec"]) {
      expect(await ground.ok(name, "--help")).toContain(`NAME:\n   runc ${name} - `);
      expect(await ground.ok("help", name)).toContain("OPTIONS:\n");
    }
    const wrong = await ground.runc(["run", "--nonsense"]);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain("Incorrect Usage: flag provided but not defined: -nonsense");
    expect(wrong.err).toContain("flag provided but not defined: -nonsense");
    const none = await ground.runc(["nonsense"]);
    expect(none.code).toBe(3);
    expect(none.err).toContain("No help topic for 'nonsense'");
    expect((await ground.runc(["--log-format", "xml", "list"])).err).toContain("invalid log-format: xml");
    expect((await ground.runc(["--log-format", "json", "state", "nope"])).err).toMatch(
      /^\{"level":"error","msg":"container does not exist","time":"[^"]+"\}\n$/,
    );
  });

  test("durations are Go's", () => {
    expect(parseDuration("1m30s")).toBe(90_000);
    expect(parseDuration("500ms")).toBe(500);
    expect(parseDuration("1.5s")).toBe(1500);
    expect(parseDuration("0")).toBe(0);
    for (const bad of ["", "5", "s", "1x", "1s2"]) expect(parseDuration(bad)).toBeUndefined();
  });

  test("CPU lists are the kernel's", () => {
    expect(listFormat("0-2,5")).toEqual([0, 1, 2, 5]);
    expect(listFormat("")).toBeUndefined();
  });

  test("sub-cgroups stay below", () => {
    const paths = { cpu: "/c/cpu/x", "": "/c/x" };
    expect(subCgroups(paths, ["a/../b"])).toEqual({ cpu: "/c/cpu/x/b", "": "/c/x/b" });
    expect(subCgroups(paths, ["cpu:a"])).toEqual({ cpu: "/c/cpu/x/a", "": "/c/x" });
    expect(() => subCgroups(paths, [".."])).toThrow("is not a sub cgroup path");
    expect(() => subCgroups(paths, ["a", "b"])).toThrow("missing <controller>: prefix");
    expect(() => subCgroups(paths, ["cpu:a", "cpu:b"])).toThrow("specified multiple times");
  });

  test("v2 statistics from a directory of files", async () => {
    await using ground = new Ground();
    const at = (name: string, text: string) => writeFileSync(join(ground.directory, name), text);
    at(
      "cpu.stat",
      "usage_usec 30\nuser_usec 10\nsystem_usec 20\nnr_periods 1\nnr_throttled 1\nthrottled_usec 5\n",
    );
    at("memory.stat", "anon 1\nfile 4096\n");
    at("memory.current", "8192\n");
    at("memory.max", "max\n");
    at("memory.swap.max", "0\n");
    at("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n");
    at("pids.current", "2\n");
    at("pids.max", "max\n");
    at("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n");
    at("cpu.pressure", "some avg10=0.50 avg60=0.00 avg300=0.00 total=9\n");
    const stats = statsV2(ground.directory);
    expect(stats.cpu.usage).toEqual({ total: 30_000, kernel: 20_000, user: 10_000 });
    expect(stats.cpu.throttling.throttledTime).toBe(5000);
    expect(stats.cpu.psi).toEqual({ some: { avg10: 0.5, avg60: 0, avg300: 0, total: 9 } });
    expect(stats.memory.cache).toBe(4096);
    expect(stats.memory.usage).toEqual({ limit: 2 ** 64, usage: 8192, max: undefined, failcnt: 3 });
    expect(stats.memory.event_count?.["oom_kill"]).toBe(1);
    expect(stats.pids).toEqual({ current: 2, limit: undefined });
    expect(stats.blkio.ioServicedRecursive?.[1]).toEqual({
      major: 8,
      minor: undefined,
      op: "Write",
      value: 4,
    });
  });
});
