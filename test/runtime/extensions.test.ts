// What crun and runc have beyond the specification, and podman or a person relies on.
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { Ground, unable } from "./ground.ts";

const it = test.skipIf(unable !== "");
const annotate = (annotations: Record<string, string>) => (config: Config) => {
  config.annotations = annotations;
};
const userNamespace = (config: Config) => {
  config.linux!.namespaces!.push({ type: "user" });
  config.linux!.uidMappings = [{ containerID: 0, hostID: 0, size: 1000 }];
  config.linux!.gidMappings = [{ containerID: 0, hostID: 0, size: 1000 }];
};

describe(`annotations of crun's${unable && ` (skipped: ${unable})`}`, () => {
  it("run.oci.keep_original_groups leaves the caller's groups, in an exec too", async () => {
    await using ground = new Ground();
    const before = ["setpriv", "--groups", "11,12", "--"];
    const groups = "grep ^Groups: /proc/self/status";
    ground.shell(groups);
    expect((await ground.runc(["run", ground.id], {}, before)).out.trim()).toBe("Groups:");
    ground.shell(groups, annotate({ "run.oci.keep_original_groups": "1" }));
    expect((await ground.runc(["run", ground.id], {}, before)).out.trim()).toBe("Groups:\t11 12");
    ground.shell("sleep 1000", annotate({ "run.oci.keep_original_groups": "1" }));
    await ground.ok("run", "--detach", ground.id);
    const inside = await ground.runc(["exec", ground.id, "sh", "-c", groups], {}, before);
    expect(inside.out.trim()).toBe("Groups:\t11 12");
  });

  it("run.oci.hooks.stdout and .stderr take what hooks say, appended", async () => {
    await using ground = new Ground();
    const [out, err] = [join(ground.directory, "hooks.out"), join(ground.directory, "hooks.err")];
    writeFileSync(out, "before\n");
    const { code } = await ground.run("true", (config) => {
      annotate({ "run.oci.hooks.stdout": out, "run.oci.hooks.stderr": err })(config);
      const say = { path: "/bin/sh", args: ["sh", "-c", "echo said; echo complained >&2"] };
      config.hooks = { createRuntime: [say], poststop: [say] };
    });
    expect(code).toBe(0);
    expect(readFileSync(out, "utf8")).toBe("before\nsaid\nsaid\n");
    expect(readFileSync(err, "utf8")).toBe("complained\ncomplained\n");
  });

  it("run.oci.seccomp_fail_unknown_syscall refuses a profile that names what nobody knows", async () => {
    await using ground = new Ground();
    const profile = (config: Config) => {
      config.linux!.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["no_such_call", "arm_fadvise64_64"], action: "SCMP_ACT_ERRNO" }],
      };
    };
    expect((await ground.run("true", profile)).code).toBe(0);
    const strict = await ground.run("true", (config) => {
      profile(config);
      annotate({ "run.oci.seccomp_fail_unknown_syscall": "1" })(config);
    });
    expect(strict.code).toBe(1);
    expect(strict.err).toContain('unknown system call \\"no_such_call\\"');
    expect(ground.leftovers()).toEqual([]);
  });
});

describe(`mounts of links${unable && ` (skipped: ${unable})`}`, () => {
  it("src-nofollow and dest-nofollow mount the link itself, and on one, with and without a user namespace", async () => {
    await using ground = new Ground();
    writeFileSync(join(ground.directory, "file"), "content\n");
    const source = join(ground.directory, "link");
    symlinkSync(join(ground.directory, "file"), source);
    symlinkSync("nowhere", join(ground.rootfs, "target"));
    for (const change of [() => {}, userNamespace]) {
      const mount = (options: string[]) => (config: Config) => {
        change(config);
        config.mounts!.push({ destination: "/target", type: "bind", source, options });
      };
      const link = await ground.run("readlink /target", mount(["bind", "src-nofollow", "dest-nofollow"]));
      expect(link).toEqual({ code: 0, out: `${source.replace(/link$/, "file")}\n`, err: "" });
      expect((await ground.run("cat /target", mount(["bind", "dest-nofollow"]))).out).toBe("content\n");
    }
    expect(existsSync(join(ground.rootfs, "nowhere"))).toBe(false);
    expect(ground.leftovers()).toEqual([]);
  });

  it("copy-symlink makes the same link, and mounts what is none", async () => {
    await using ground = new Ground();
    const link = join(ground.directory, "link");
    symlinkSync("../nowhere", link);
    writeFileSync(join(ground.directory, "file"), "content\n");
    const mount = (config: Config) => {
      const options = ["rbind", "copy-symlink"];
      config.mounts!.push(
        { destination: "/a/link", type: "bind", source: link, options },
        { destination: "/a/file", type: "bind", source: join(ground.directory, "file"), options },
      );
    };
    const inside = (config: Config) => {
      userNamespace(config);
      mount(config);
    };
    for (const change of [mount, inside])
      expect(await ground.run("readlink /a/link; cat /a/file", change)).toEqual({
        code: 0,
        out: "../nowhere\ncontent\n",
        err: "",
      });
    expect(readlinkSync(join(ground.rootfs, "a", "link"))).toBe("../nowhere");
  });

  it("a mount over the root is the root, and later mounts lie on it", async () => {
    await using ground = new Ground();
    const other = join(ground.directory, "other");
    mkdirSync(join(other, "bin"), { recursive: true });
    Bun.spawnSync(["cp", "-a", `${join(ground.rootfs, "bin")}/.`, join(other, "bin")]);
    writeFileSync(join(other, "only-here"), "");
    for (const change of [() => {}, userNamespace]) {
      const { code, out, err } = await ground.run("ls /; mount | grep -c ' on /proc '", (config) => {
        change(config);
        config.mounts!.unshift({ destination: "/", type: "bind", source: other, options: ["bind"] });
      });
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out.split("\n")).toContain("only-here");
      expect(out.split("\n")).not.toContain("root");
      expect(out.trim().split("\n").at(-1)).not.toBe("0");
    }
    expect(ground.leftovers()).toEqual([]);
  });
});

describe(`at the command line${unable && ` (skipped: ${unable})`}`, () => {
  it("a log that cannot be opened is an error, and one that can is made at once", async () => {
    await using ground = new Ground();
    const wrong = await ground.runc(["--log", join(ground.directory, "no", "log"), "list"]);
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain("no such file or directory");
    const log = join(ground.directory, "log");
    expect((await ground.runc(["--log", log, "list"])).code).toBe(0);
    expect(readFileSync(log, "utf8")).toBe("");
  });

  it("delete --regex takes every id that fits", async () => {
    await using ground = new Ground();
    ground.shell("sleep 1000");
    const other = `other-${ground.id}`;
    await ground.ok("create", ground.id);
    // A cgroup of its own: one that both share could not be removed with the first.
    ground.shell("sleep 1000", (config) => {
      config.linux!.cgroupsPath = `/${other}`;
    });
    await ground.ok("create", other);
    expect((await ground.runc(["delete", "--regex", "("])).code).toBe(1);
    await ground.ok("delete", "--force", "--regex", "^other-");
    expect((await ground.ok("list", "-q")).trim()).toBe(ground.id);
    await ground.ok("delete", "--force", "--regex", ground.id);
    expect(await ground.ok("list", "-q")).toBe("");
    expect(ground.leftovers()).toEqual([]);
  });

  const freezer = "/sys/fs/cgroup/freezer";
  const noFreezer = unable || (existsSync(`${freezer}/tasks`) ? "" : "no v1 freezer");
  test.skipIf(noFreezer !== "")(
    `delete --force of a process that somebody moved into a frozen cgroup${noFreezer && ` (skipped: ${noFreezer})`}`,
    async () => {
      await using ground = new Ground();
      const elsewhere = join(freezer, `${ground.id}-elsewhere`);
      ground.shell("sleep 1000");
      await ground.ok("run", "--detach", ground.id);
      mkdirSync(elsewhere);
      try {
        writeFileSync(join(elsewhere, "cgroup.procs"), String((await ground.state()).pid));
        writeFileSync(join(elsewhere, "freezer.state"), "FROZEN");
        await ground.ok("delete", "--force", ground.id);
      } finally {
        rmdirSync(elsewhere);
      }
      expect(ground.leftovers()).toEqual([]);
    },
  );
});

it("a poststart hook comes after the program began, and one that fails stops the container", async () => {
  await using ground = new Ground();
  const seen = join(ground.directory, "seen");
  const hook = (script: string) => (config: Config) => {
    config.hooks = {
      poststart: [{ path: "/bin/sh", args: ["sh", "-c", script] }],
      poststop: [{ path: "/bin/sh", args: ["sh", "-c", `echo stopped >> ${seen}`] }],
    };
  };
  // The hook's own parent is the runtime; the container's pid comes with its state.
  const exe = `pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/exe >> ${seen}`;
  ground.shell("sleep 1000", hook(exe));
  for (let i = 0; i < 3; i++) {
    await ground.ok("create", ground.id);
    await ground.ok("start", ground.id);
    await ground.ok("delete", "--force", ground.id);
  }
  expect(readFileSync(seen, "utf8")).toBe("/bin/busybox\nstopped\n".repeat(3));
  // Whoever asks after start returned hears no "created" any more, however slow the launcher is.
  await ground.ok("create", ground.id);
  await ground.ok("start", ground.id);
  expect((await ground.state()).status).toBe("running");
  expect(existsSync(join(ground.root, ground.id, "exec.fifo"))).toBe(false);
  await ground.ok("delete", "--force", ground.id);
  ground.shell("sleep 1000", hook("exit 3"));
  const { code, err } = await ground.runc(["run", "--detach", ground.id]);
  expect(code).toBe(1);
  expect(err).toContain("error running poststart hook #0: exit status 3");
  expect(readFileSync(seen, "utf8")).toEndWith("stopped\n".repeat(1));
  expect(ground.leftovers()).toEqual([]);
});
