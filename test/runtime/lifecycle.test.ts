// A container's life through the command line: states, exit codes, the words of errors, and that nothing stays behind.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ground, unable, until } from "./ground.ts";

const it = test.skipIf(unable !== "");

describe(`life cycle${unable && ` (skipped: ${unable})`}`, () => {
  it("create, start, kill, delete, with the state at each step", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    const pidFile = join(ground.directory, "pid");
    await ground.ok("create", "--pid-file", pidFile, ground.id);
    const created = await ground.state();
    expect(created.status).toBe("created");
    expect(readFileSync(pidFile, "utf8")).toBe(String(created.pid));
    expect(readFileSync(`/proc/${created.pid}/comm`, "utf8").trim()).toBe("runc:[INIT]");
    await ground.ok("start", ground.id);
    expect((await ground.state()).status).toBe("running");
    await until("the program", () => readFileSync(`/proc/${created.pid}/comm`, "utf8").trim() === "sleep");
    expect((await ground.runc(["start", ground.id])).err).toContain(
      "cannot start an already running container",
    );
    expect((await ground.runc(["delete", ground.id])).err).toContain("that is not stopped: running");
    await ground.ok("kill", ground.id, "KILL");
    await until("its end", async () => (await ground.state()).status === "stopped");
    expect((await ground.runc(["kill", ground.id])).err).toContain("container not running");
    expect((await ground.runc(["start", ground.id])).err).toContain(
      "cannot start a container that has stopped",
    );
    await ground.ok("delete", ground.id);
    expect(ground.leftovers()).toEqual([]);
  });

  it("run hands on output and exit code and leaves nothing", async () => {
    await using ground = new Ground();
    expect(await ground.run("echo out; echo err >&2; exit 7")).toEqual({
      code: 7,
      out: "out\n",
      err: "err\n",
    });
    expect(ground.leftovers()).toEqual([]);
  });

  it("the exit code of a signal is 128 and its number", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    await ground.ok("create", ground.id);
    const child = Bun.spawn(ground.command("exec", ground.id, "sleep", "1000"), {
      cwd: ground.bundle,
      env: {},
    });
    await until(
      "the exec",
      async () => JSON.parse(await ground.ok("ps", "-f", "json", ground.id)).length === 2,
    );
    const pids: number[] = JSON.parse(await ground.ok("ps", "--format", "json", ground.id));
    process.kill(Math.max(...pids), "SIGKILL");
    expect(await child.exited).toBe(137);
  });

  it("signals to a foreground run reach the container", async () => {
    await using ground = new Ground();
    ground.shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    const child = Bun.spawn(ground.command("run", ground.id), {
      cwd: ground.bundle,
      env: {},
      stdout: "pipe",
    });
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(9);
    await reader.cancel();
    expect(ground.leftovers()).toEqual([]);
  });

  it("a taken id, a missing container, a bad id", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    await ground.ok("create", ground.id);
    expect((await ground.runc(["create", ground.id])).err).toContain(
      "container with given ID already exists",
    );
    expect((await ground.runc(["state", "no-such"])).err).toContain("container does not exist");
    expect(await ground.runc(["delete", "--force", "no-such"])).toMatchObject({ code: 0 });
    expect((await ground.runc(["create", "../x"])).err).toContain("invalid container ID format");
    expect(await ground.ok("list", "-q")).toBe(`${ground.id}\n`);
    expect(JSON.parse(await ground.ok("list", "--format", "json"))).toMatchObject([
      { id: ground.id, status: "created", owner: "root" },
    ]);
    expect(await ground.ok("list")).toStartWith("ID ");
  });

  it("programs that cannot run, in the words that callers match", async () => {
    await using ground = new Ground();
    writeFileSync(join(ground.rootfs, "bin", "text"), "no program", { mode: 0o755 });
    writeFileSync(join(ground.rootfs, "bin", "plain"), "x", { mode: 0o644 });
    const attempt = async (program: string) => {
      ground.configure([program]);
      return ground.runc(["run", ground.id]);
    };
    expect((await attempt("nosuch")).err).toContain('exec: \\"nosuch\\": executable file not found in $PATH');
    expect((await attempt("/nosuch")).err).toContain(
      'exec: \\"/nosuch\\": stat /nosuch: no such file or directory',
    );
    expect((await attempt("/etc")).err).toContain('exec: \\"/etc\\": permission denied');
    expect((await attempt("/bin/plain")).err).toContain('exec: \\"/bin/plain\\": permission denied');
    expect(await attempt("text")).toMatchObject({ code: 1, err: "exec /bin/text: exec format error\n" });
    expect(ground.leftovers()).toEqual([]);
  });

  it("a bad config.json names the field and makes nothing", async () => {
    await using ground = new Ground();
    ground.configure(["true"], (config) => {
      config.mounts!.push({ destination: 5 as unknown as string });
    });
    const { code, err } = await ground.runc(["create", ground.id]);
    expect(code).toBe(1);
    expect(err).toContain("mounts[7].destination: expected a string, got 5");
    ground.configure(["true"], (config) => {
      config.mounts!.push({ destination: "/x", type: "bind", source: "/no/such/source", options: ["bind"] });
    });
    expect((await ground.runc(["run", ground.id])).err).toContain(
      "stat /no/such/source: no such file or directory",
    );
    ground.configure(["true"], (config) => {
      config.mounts!.push({ destination: "/x", type: "nosuchfs", source: "none" });
    });
    expect((await ground.runc(["run", ground.id])).err).toContain(
      "error during container init: error mounting",
    );
    expect(ground.leftovers()).toEqual([]);
  });

  it("the JSON log has what the shim reads", async () => {
    await using ground = new Ground();
    ground.configure(["nosuch"]);
    const log = join(ground.directory, "log.json");
    const { err } = await ground.runc(["--log", log, "--log-format", "json", "run", ground.id]);
    const line = JSON.parse(readFileSync(log, "utf8").trim());
    expect(line).toMatchObject({
      level: "error",
      msg: expect.stringContaining("runc run failed: unable to start container process: exec"),
    });
    expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(err).toStartWith("runc run failed:");
  });

  it("kill -9 of the runtime at any moment leaves what delete --force removes", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    for (const delay of [5, 10, 15, 20, 25, 30, 35, 40, 50, 60]) {
      const child = Bun.spawn(ground.command("create", ground.id), {
        cwd: ground.bundle,
        env: {},
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      });
      await Bun.sleep(delay); // not a synchronisation: the moment of the kill is what varies
      child.kill("SIGKILL");
      await child.exited;
      expect(await ground.runc(["delete", "--force", ground.id])).toMatchObject({ code: 0 });
      expect(ground.leftovers()).toEqual([]);
    }
  });

  it("--plan prints the plan and makes nothing", async () => {
    await using ground = new Ground();
    expect(await ground.ok("run", "--plan", ground.id)).toStartWith(`plan create ${ground.id}`);
    const { out } = await ground.runc(["create", ground.id], { BUNKER_PLAN: "1" });
    expect(out).toContain("pivot_root");
    expect(ground.leftovers()).toEqual([]);
  });

  it("spec writes a config.json once", async () => {
    await using ground = new Ground();
    const directory = join(ground.directory, "fresh");
    mkdirSync(directory);
    await ground.ok("spec", "--bundle", directory);
    expect(JSON.parse(readFileSync(join(directory, "config.json"), "utf8")).root).toEqual({
      path: "rootfs",
      readonly: true,
    });
    expect((await ground.runc(["spec", "-b", directory])).err).toContain(
      "File config.json exists. Remove it first",
    );
  });

  it("features and version", async () => {
    await using ground = new Ground();
    const features = JSON.parse(await ground.ok("features"));
    expect(features.linux.namespaces).toContain("time");
    expect(features.mountOptions).toContain("rro");
    expect(await ground.ok("--version")).toMatch(/^runc version .*\ncommit: .*\nspec: \d/);
  });
});

test.skipIf(unable !== "")(
  "hooks: each phase with the state on stdin, in its namespaces; failures and timeouts",
  async () => {
    await using ground = new Ground();
    const trace = join(ground.directory, "trace");
    const hook = (name: string) => ({
      path: "/bin/sh",
      args: ["sh", "-c", `read state; echo "${name} $state" >> ${trace}`],
    });
    ground.shell("echo program >> /trace", (config) => {
      config.root!.readonly = false;
      config.hooks = {
        prestart: [hook("prestart")],
        createRuntime: [hook("createRuntime")],
        createContainer: [
          {
            path: "/bin/sh",
            args: [
              "sh",
              "-c",
              `readlink /proc/self/ns/uts > ${trace}.uts; read s; echo createContainer $s >> ${trace}`,
            ],
          },
        ],
        startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "read s; echo startContainer $s > /trace"] }],
        poststart: [hook("poststart")],
        poststop: [hook("poststop")],
      };
    });
    expect(await ground.runc(["run", ground.id])).toMatchObject({ code: 0 });
    const lines = readFileSync(trace, "utf8").trim().split("\n");
    expect(lines.map((line) => line.split(" ")[0])).toEqual([
      "prestart",
      "createRuntime",
      "createContainer",
      "poststart",
      "poststop",
    ]);
    expect(JSON.parse(lines[1]!.slice("createRuntime ".length))).toMatchObject({
      id: ground.id,
      status: "creating",
      bundle: ground.bundle,
    });
    expect(readFileSync(join(ground.rootfs, "trace"), "utf8")).toMatch(/^startContainer \{.*\nprogram\n$/s);
    expect(readFileSync(`${trace}.uts`, "utf8")).toStartWith("uts:[");

    ground.configure(["true"], (config) => {
      config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", "echo no >&2; exit 3"] }] };
    });
    expect((await ground.runc(["run", ground.id])).err).toContain(
      "error running createRuntime hook #0: exit status 3, stdout: , stderr: no",
    );
    ground.configure(["true"], (config) => {
      config.hooks = { prestart: [{ path: "/bin/sleep", args: ["sleep", "60"], timeout: 1 }] };
    });
    expect((await ground.runc(["run", ground.id])).err).toContain("hook ran past specified timeout of 1.0s");
    expect(ground.leftovers()).toEqual([]);
    expect(existsSync(join(ground.root, ground.id))).toBe(false);
  },
);
