// What a container sees and may do: mounts, masks, devices, limits, identity, namespaces; and exec into it.
import { describe, expect, test } from "bun:test";
import { chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ground, unable, until } from "./ground.ts";

const it = test.skipIf(unable !== "");

describe(`in the container${unable && ` (skipped: ${unable})`}`, () => {
  it("no descriptor, capability or keyring of the host's; masks and read-only paths hold", async () => {
    await using ground = new Ground();
    const { out } = await ground.run(
      [
        "ls /proc/self/fd",
        "grep -E '^(Cap|NoNew|SigIgn|SigBlk)' /proc/self/status",
        "wc -c < /proc/keys",
        "ls /sys/firmware | wc -l",
        "echo 1 > /proc/sys/kernel/panic || echo read-only",
        "touch /x || echo root read-only",
        "readlink /dev/fd",
        "stat -c %t:%T /dev/null",
        "hostname",
        "pwd",
        "cat /proc/self/oom_score_adj",
      ].join("; "),
    );
    const lines = out.trim().split("\n");
    expect(lines.slice(0, 4)).toEqual(["0", "1", "2", "3"]); // 3 is ls's own
    expect(out).toContain("CapBnd:\t0000000020000420");
    expect(out).toContain("CapEff:\t0000000020000420");
    expect(out).toContain("NoNewPrivs:\t1");
    expect(out).toContain("SigIgn:\t0000000000000000");
    expect(out).toContain("SigBlk:\t0000000000000000");
    expect(lines).toContain("read-only");
    expect(lines).toContain("root read-only");
    expect(lines).toContain("/proc/self/fd");
    expect(lines).toContain("1:3");
    expect(lines).toContain("runc");
  });

  it("bind mounts: made mountpoints, read-only, recursive attributes, files; hostile symlinks stay inside", async () => {
    await using ground = new Ground();
    const outside = join(ground.directory, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "file"), "data\n");
    // An image may bring a link where a mount will go: it must be followed inside the root only.
    symlinkSync(ground.directory, join(ground.rootfs, "trap"));
    const { out, err } = await ground.run(
      "cat /deep/er/file /etc/single; touch /deep/er/x; grep -c 'trap/in' /proc/mounts; ls -d /tmp/runtime-*",
      (config) => {
        config.mounts!.push(
          { destination: "/deep/er", type: "bind", source: outside, options: ["rbind", "ro"] },
          {
            destination: "/etc/single",
            type: "bind",
            source: join(outside, "file"),
            options: ["bind", "rro"],
          },
          { destination: "/trap/in", type: "tmpfs", source: "tmpfs", options: ["size=64k"] },
        );
      },
    );
    expect(out).toStartWith("data\ndata\n");
    expect(err).toContain("Read-only file system");
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(`${ground.directory}/in`);
    expect(ground.leftovers()).toEqual([]);
  });

  it("user, groups, umask, working directory, HOME, capabilities of a user", async () => {
    await using ground = new Ground();
    const { out } = await ground.run(
      "id -u; id -g; id -G; umask; pwd; echo $HOME; grep CapEff /proc/self/status",
      (config) => {
        const process = config.process!;
        process.user = { uid: 1000, gid: 1001, additionalGids: [7, 8], umask: 0o27 };
        process.cwd = "/made/here";
        config.root!.readonly = false;
        process.capabilities!.inheritable = ["CAP_NET_BIND_SERVICE"];
        process.capabilities!.ambient = ["CAP_NET_BIND_SERVICE"];
      },
    );
    expect(out.trim().split("\n")).toEqual([
      "1000",
      "1001",
      "1001 7 8",
      "0027",
      "/made/here",
      "/srv/app",
      "CapEff:\t0000000000000400",
    ]);
  });

  it("limits are in force, and a tiny memory limit still starts a static program", async () => {
    await using ground = new Ground();
    const cgroup =
      readFileSync("/proc/self/mounts", "utf8").includes(" cgroup2 ") &&
      !readFileSync("/proc/self/mounts", "utf8").includes(" cgroup rw");
    ground.configure(["sleep", "1000"], (config) => {
      config.linux!.resources = { memory: { limit: 1 << 24 }, pids: { limit: 7 }, cpu: { shares: 512 } };
      config.process!.rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }];
    });
    await ground.ok("create", ground.id);
    const { pid } = await ground.state();
    const paths = JSON.parse(readFileSync(join(ground.root, ground.id, "state.json"), "utf8")).cgroup_paths;
    if (!cgroup) {
      expect(readFileSync(`${paths.memory}/memory.limit_in_bytes`, "utf8").trim()).toBe(String(1 << 24));
      expect(readFileSync(`${paths.pids}/pids.max`, "utf8").trim()).toBe("7");
      expect(readFileSync(`${paths.cpu}/cpu.shares`, "utf8").trim()).toBe("512");
      expect(readFileSync(`${paths.memory}/cgroup.procs`, "utf8").trim()).toBe(String(pid));
    }
    expect(readFileSync(`/proc/${pid}/limits`, "utf8")).toMatch(/Max open files +100 +200/);
    await ground.ok("update", "--pids-limit", "9", ground.id);
    if (!cgroup) expect(readFileSync(`${paths.pids}/pids.max`, "utf8").trim()).toBe("9");
    await ground.ok("delete", "--force", ground.id);
    ground.configure(["true"], (config) => {
      config.linux!.resources = { memory: { limit: 1 << 20 } };
    });
    expect(await ground.runc(["run", ground.id])).toMatchObject({ code: 0, err: "" });
  });

  it("devices that are not allowed stay shut", async () => {
    await using ground = new Ground();
    const { out, err } = await ground.run(
      "cat /dev/null; head -c 3 /dev/zero | wc -c; stat -c '%a %t:%T' /dev/fuse; cat /dev/fuse; mknod /dev/mem c 1 1",
      (config) => {
        config.linux!.devices = [{ path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o640 }];
      },
    );
    expect(out).toBe("3\n640 a:e5\n");
    expect(err).toContain("can't open '/dev/fuse': Operation not permitted");
  });

  it("seccomp: forbidden calls fail, unknown newer ones say so", async () => {
    await using ground = new Ground();
    const { out } = await ground.run(
      "grep Seccomp: /proc/self/status; mkdir /tmp/x || echo refused",
      (config) => {
        config.root!.readonly = false;
        config.linux!.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 13 }],
        };
      },
    );
    expect(out).toBe("Seccomp:\t2\nrefused\n");
  });

  it("a user namespace: root inside, nobody outside", async () => {
    await using ground = new Ground();
    chownSync(join(ground.rootfs, "tmp"), 100000, 100000);
    const { out, err } = await ground.run(
      "id -u; head -1 /proc/self/uid_map; touch /tmp/mine; echo x > /dev/null; stat -c %u /tmp/mine",
      (config) => {
        config.root!.readonly = false;
        const linux = config.linux!;
        linux.namespaces!.push({ type: "user" }, { type: "cgroup" }, { type: "time" });
        linux.timeOffsets = { boottime: { secs: 1000 } };
        linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
        linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      },
    );
    expect(err).toBe("");
    expect(out.replace(/ +/g, " ")).toBe("0\n 0 100000 65536\n0\n");
  });

  it("namespaces joined by path are those of the other container, and of the right type", async () => {
    await using other = new Ground();
    await using ground = new Ground();
    other.configure(["sleep", "1000"]);
    await other.ok("create", other.id);
    const { pid } = await other.state();
    const namespace = readFileSync(`/proc/${pid}/ns/../stat`, "utf8") && `/proc/${pid}/ns/net`;
    const { out } = await ground.run("readlink /proc/self/ns/net", (config) => {
      config.linux!.namespaces = config.linux!.namespaces!.map((one) =>
        one.type === "network" ? { ...one, path: namespace } : one,
      );
    });
    const inOther = (await other.runc(["exec", other.id, "readlink", "/proc/self/ns/net"])).out;
    expect(out).toBe(inOther);
    ground.configure(["true"], (config) => {
      config.linux!.namespaces = [{ type: "mount" }, { type: "network", path: `/proc/${pid}/ns/uts` }];
      config.hostname = undefined;
    });
    expect((await ground.runc(["run", ground.id])).err).toContain(
      "is a uts namespace, not a network namespace",
    );
  });

  it("preserved descriptors reach the program, no others", async () => {
    await using ground = new Ground();
    ground.shell("cat <&3; ls /proc/self/fd");
    const file = join(ground.directory, "three");
    writeFileSync(file, "third\n");
    const script = `exec 3<${file} 9<${file}; exec "$@"`;
    const child = Bun.spawnSync(
      ["bash", "-c", script, "bash", ...ground.command("run", "--preserve-fds", "1", ground.id)],
      { cwd: ground.bundle, env: {} },
    );
    expect(child.stdout.toString()).toBe("third\n0\n1\n2\n3\n4\n"); // 4 is ls's own
    // What the runtime itself has open at these numbers is not the caller's to hand on.
    for (const words of [["run"], ["exec"]]) {
      if (words[0] === "exec") {
        ground.configure(["sleep", "1000"]);
        await ground.ok("run", "-d", ground.id);
      }
      const holes = Bun.spawnSync(
        [
          ...["bash", "-c", `exec 3<${file} 5<${file}; exec "$@"`, "bash"],
          ...ground.command(
            ...words,
            "--preserve-fds",
            "3",
            ground.id,
            ...(words[0] === "exec" ? ["true"] : []),
          ),
        ],
        { cwd: ground.bundle, env: {} },
      );
      expect(holes.stderr.toString()).toContain(
        "unable to stat preserved-fd 1 (of 3): stat /proc/self/fd/4: no such file or directory",
      );
    }
  });
});

describe(`exec${unable && ` (skipped: ${unable})`}`, () => {
  it("runs beside the first process, with its own user, environment and exit code", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    await ground.ok("create", ground.id);
    await ground.ok("start", ground.id);
    const { out, code } = await ground.runc([
      "exec",
      "-u",
      "1000:1001",
      "-g",
      "9",
      "-e",
      "X=1",
      "--cwd",
      "/tmp",
      ground.id,
      "sh",
      "-c",
      "id -u; id -G; echo $X $HOME; pwd; cat /proc/1/comm; exit 5",
    ]);
    expect(out).toBe("1000\n1001 9\n1 /srv/app\n/tmp\nsleep\n");
    expect(code).toBe(5);
    expect(await ground.runc(["exec", ground.id, "nosuch"])).toMatchObject({
      code: 255,
      err: expect.stringContaining(
        'exec failed: unable to start container process: exec: \\"nosuch\\": executable file not found in $PATH',
      ),
    });
    const document = join(ground.directory, "process.json");
    writeFileSync(
      document,
      JSON.stringify({
        cwd: "/",
        user: { uid: 0, gid: 0 },
        args: ["sh", "-c", "echo from document"],
        env: ["PATH=/bin"],
      }),
    );
    expect((await ground.runc(["exec", "--process", document, ground.id])).out).toBe("from document\n");
    const pidFile = join(ground.directory, "exec-pid");
    await ground.ok("exec", "--detach", "--pid-file", pidFile, ground.id, "sleep", "1000");
    const pids: number[] = JSON.parse(await ground.ok("ps", "-f", "json", ground.id));
    expect(pids).toContain(Number(readFileSync(pidFile, "utf8")));
  });

  it("a paused container takes no exec, and thaws to be killed", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    await ground.ok("create", ground.id);
    await ground.ok("start", ground.id);
    await ground.ok("pause", ground.id);
    expect((await ground.state()).status).toBe("paused");
    expect((await ground.runc(["exec", ground.id, "true"])).err).toContain(
      "cannot exec in a paused container (use --ignore-paused to override)",
    );
    await ground.ok("resume", ground.id);
    expect((await ground.runc(["resume", ground.id])).err).toContain("container not paused");
    await ground.ok("pause", ground.id);
    await ground.ok("delete", "--force", ground.id);
    expect(ground.leftovers()).toEqual([]);
  });

  it("SIGKILL of a container without its own pid namespace reaches all of its processes", async () => {
    await using ground = new Ground();
    ground.shell("sleep 1000 & sleep 1000 & wait", (config) => {
      config.linux!.namespaces = config.linux!.namespaces!.filter(({ type }) => type !== "pid");
    });
    await ground.ok("create", ground.id);
    await ground.ok("start", ground.id);
    await until(
      "its children",
      async () => JSON.parse(await ground.ok("ps", "-f", "json", ground.id)).length === 3,
    );
    await ground.ok("kill", ground.id, "KILL");
    await until(
      "all ended",
      async () => JSON.parse(await ground.ok("ps", "-f", "json", ground.id)).length === 0,
    );
    await ground.ok("delete", ground.id);
    expect(ground.leftovers()).toEqual([]);
  });
});
