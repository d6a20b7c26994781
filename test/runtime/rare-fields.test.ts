// Fields of config.json that few containers use: each does what the spec says, or is refused by name.
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { NR } from "../../ffi/arch/index.ts";
import { syscall } from "../../ffi/libc.ts";
import { accept, listenUnix, receiveFds } from "../../ffi/socket.ts";
import { idMask } from "../../src/roles/runtime/launch/id-list.ts";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { Ground, unable, until } from "./ground.ts";

const it = test.skipIf(unable !== "");
const all = { bounding: ["CAP_SYS_ADMIN"], effective: ["CAP_SYS_ADMIN"], permitted: ["CAP_SYS_ADMIN"] };

test("lists of CPUs and nodes become masks", () => {
  expect([...idMask("0-1,3", "x")]).toEqual([0b1011, 0, 0, 0, 0, 0, 0, 0]);
  expect(idMask("64", "x").length).toBe(16);
  for (const bad of ["", "a", "3-1", "1,", "-1", "99999"])
    expect(() => idMask(bad, "process.execCPUAffinity.final")).toThrow(
      "process.execCPUAffinity.final: invalid list",
    );
});

describe(`mounts${unable && ` (skipped: ${unable})`}`, () => {
  it("an idmapped bind mount shows other owners, with and without a user namespace", async () => {
    await using ground = new Ground();
    const source = join(ground.directory, "data");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "");
    chownSync(join(source, "file"), 1000, 1000);
    const map = [{ containerID: 1000, hostID: 2000, size: 10 }];
    const mount = (config: Config, hostID: number) =>
      config.mounts!.push({
        destination: "/data",
        type: "bind",
        source,
        options: ["bind", "idmap"],
        uidMappings: [{ ...map[0]!, hostID }],
        gidMappings: [{ ...map[0]!, hostID }],
      });
    const plain = await ground.run("stat -c %u:%g /data/file", (config) => mount(config, 2000));
    expect(plain).toEqual({ code: 0, out: "2000:2000\n", err: "" });
    const inside = await ground.run("stat -c %u:%g /data/file", (config) => {
      config.linux!.namespaces!.push({ type: "user" });
      config.linux!.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      config.linux!.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      mount(config, 100042);
    });
    expect(inside).toEqual({ code: 0, out: "42:42\n", err: "" });
    expect(ground.leftovers()).toEqual([]);
  });

  it("idmap without any maps is refused, before anything is made", async () => {
    await using ground = new Ground();
    const { code, err } = await ground.run("true", (config) => {
      config.mounts!.push({ destination: "/data", type: "bind", source: "/etc", options: ["bind", "idmap"] });
    });
    expect(code).toBe(1);
    expect(err).toContain("an idmapped mount needs uidMappings and gidMappings");
    expect(ground.leftovers()).toEqual([]);
  });

  it("tmpcopyup fills the tmpfs with what the image has there", async () => {
    await using ground = new Ground();
    const place = join(ground.rootfs, "seed", "below");
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "file"), "hello");
    chownSync(join(place, "file"), 7, 8);
    symlinkSync("/nowhere", join(ground.rootfs, "seed", "link"));
    chmodSync(join(ground.rootfs, "seed"), 0o711);
    const { out } = await ground.run(
      "stat -c '%a %u:%g' /seed /seed/below/file; cat /seed/below/file; readlink /seed/link; echo x > /seed/new; grep -c ' /seed tmpfs' /proc/mounts",
      (config) =>
        config.mounts!.push({ destination: "/seed", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }),
    );
    expect(out).toBe("711 0:0\n644 7:8\nhello/nowhere\n1\n");
    expect(existsSync(join(ground.rootfs, "seed", "new"))).toBe(false);
  });

  it("a tmpfs without a mode takes over the directory's; a file is bound behind a link to nowhere", async () => {
    await using ground = new Ground();
    mkdirSync(join(ground.rootfs, "quiet"), { mode: 0o712 });
    chmodSync(join(ground.rootfs, "quiet"), 0o712);
    symlinkSync("../made/on/the/way", join(ground.rootfs, "etc", "dangling"));
    const { out } = await ground.run("stat -c %a /quiet; cat /made/on/the/way", (config) => {
      config.mounts!.push({ destination: "/quiet", type: "tmpfs", source: "tmpfs" });
      config.mounts!.push({
        destination: "/etc/dangling",
        type: "bind",
        source: join(ground.rootfs, "etc", "passwd"),
        options: ["bind"],
      });
    });
    expect(out).toStartWith("712\nroot:x:0:0");
  });

  it("recursive attributes hold below the mount too", async () => {
    await using ground = new Ground();
    const { out } = await ground.run("touch /host/shm/x 2>/dev/null || echo held", (config) => {
      config.mounts!.push({ destination: "/host", type: "bind", source: "/dev", options: ["rbind", "rro"] });
    });
    expect(out).toBe("held\n");
  });

  it("sources and devices in a user namespace that may not go to them", async () => {
    await using ground = new Ground();
    const closed = join(ground.directory, "closed");
    mkdirSync(join(closed, "data"), { recursive: true });
    mkdirSync(join(ground.rootfs, "data"));
    writeFileSync(join(closed, "data", "file"), "seen");
    chmodSync(closed, 0o700);
    chmodSync(ground.directory, 0o700);
    const { out, err } = await ground.run(
      "cat /data/file; stat -c ' %a %u:%g %t:%T' /dev/own; cat /dev/null; ls /sys/class | grep -c net",
      (config) => {
        const linux = config.linux!;
        linux.namespaces = [...linux.namespaces!.filter(({ type }) => type !== "network"), { type: "user" }];
        linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
        linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
        linux.devices = [
          { path: "/dev/own", type: "c", major: 1, minor: 5, fileMode: 0o640, uid: 3, gid: 4 },
        ];
        config.mounts!.push({
          destination: "/data",
          type: "bind",
          source: join(closed, "data"),
          options: ["bind"],
        });
      },
    );
    expect(err).toBe("");
    expect(out).toBe("seen 640 3:4 1:5\n1\n");
  });
});

describe(`the process${unable && ` (skipped: ${unable})`}`, () => {
  it("personality, and CPU affinity of an exec", async () => {
    await using ground = new Ground();
    const { out } = await ground.run("/bin/busybox uname -m", (config) => {
      config.linux!.personality = { domain: "LINUX32" };
    });
    expect(out).toBe(process.arch === "x64" ? "i686\n" : "armv8l\n");
    ground.shell("sleep 100", (config) => {
      config.process!.execCPUAffinity = { initial: "0", final: "0" };
    });
    await ground.ok("run", "-d", ground.id);
    const allowed = await ground.ok("exec", ground.id, "grep", "Cpus_allowed_list", "/proc/self/status");
    expect(allowed).toBe("Cpus_allowed_list:\t0\n");
  });

  it("a memory policy that does not exist, and scheduler arguments that do not go together, are refused by name", async () => {
    await using ground = new Ground();
    const refused = async (change: (config: Config) => void) => {
      const { code, err } = await ground.run("true", change);
      expect(code).toBe(1);
      expect(ground.leftovers()).toEqual([]);
      return err;
    };
    const policy = (memoryPolicy: { mode: string; nodes?: string; flags?: string[] }) => (config: Config) => {
      config.linux!.memoryPolicy = memoryPolicy;
    };
    expect(await refused(policy({ mode: "MPOL_ODD" }))).toContain(
      'memoryPolicy.mode: unknown mode \\"MPOL_ODD\\"',
    );
    expect(await refused(policy({ mode: "MPOL_BIND", nodes: "0-" }))).toContain(
      "memoryPolicy.nodes: invalid list",
    );
    const scheduler =
      (change: Partial<NonNullable<Config["process"]>["scheduler"]> & { policy: string }) =>
      (config: Config) => {
        config.process!.scheduler = change;
      };
    expect(await refused(scheduler({ policy: "SCHED_BATCH", nice: 40 }))).toContain(
      "invalid scheduler.nice: 40",
    );
    expect(await refused(scheduler({ policy: "SCHED_OTHER", priority: 3 }))).toContain(
      "scheduler.priority can only",
    );
    expect(await refused(scheduler({ policy: "SCHED_DEADLINE", deadline: 5 }))).toContain(
      "requires `runtime`",
    );
    const { out } = await ground.run("grep policy /proc/self/sched", scheduler({ policy: "SCHED_BATCH" }));
    expect(out).toContain("3");
  });

  it("of a variable that is given twice, the last one counts", async () => {
    await using ground = new Ground();
    ground.shell("sleep 100", (config) => {
      config.process!.env = ["PATH=/nowhere", "A=1", "PATH=/bin", "A=2"];
    });
    await ground.ok("run", "-d", ground.id);
    expect(await ground.ok("exec", "-e", "A=3", ground.id, "env")).toBe("PATH=/bin\nA=3\nHOME=/root\n");
  });

  it("a hook that names no environment gets the caller's, and starts in the bundle", async () => {
    await using ground = new Ground();
    const told = join(ground.directory, "told");
    await ground.ok("--version");
    const { code } = await ground.run("true", (config) => {
      config.hooks = {
        createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `pwd > ${told}; test -n "$PATH"`] }],
        createContainer: [{ path: "/bin/sh", args: ["sh", "-c", "test -e rootfs/proc/self"] }],
      };
    });
    expect(code).toBe(0);
    expect(readFileSync(told, "utf8")).toBe(`${ground.bundle}\n`);
  });

  it("a poststart hook that fails stops the container and is an error", async () => {
    await using ground = new Ground();
    ground.shell("sleep 100", (config) => {
      config.hooks = { poststart: [{ path: "/bin/false" }] };
    });
    await ground.ok("create", ground.id);
    const { code, err } = await ground.runc(["start", ground.id]);
    expect(code).toBe(1);
    expect(err).toContain("error running poststart hook #0: exit status 1");
    expect((await ground.runc(["state", ground.id])).err).toContain("does not exist");
    expect(ground.leftovers()).toEqual([]);
  });

  it("a network device moves in with its addresses and under its new name", async () => {
    await using ground = new Ground();
    ground.shell("/bin/busybox ip addr show dev inner", (config) => {
      config.linux!.netDevices = { outer0: { name: "inner" } };
    });
    const script = `ip link add outer0 type veth peer name outer1 && ip addr add 10.1.2.3/24 brd 10.1.2.254 dev outer0 && ip addr add 2001:db8::7/64 dev outer0 nodad && exec "$@"`;
    const { out, err } = await ground.runc(["run", ground.id], {}, [
      "unshare",
      "-n",
      "sh",
      "-c",
      script,
      "sh",
    ]);
    expect(err).toBe("");
    expect(out).toContain("inet 10.1.2.3/24 brd 10.1.2.254");
    expect(out).toContain("inet6 2001:db8::7/64");
    expect(out).toMatch(/<[A-Z,_-]*\bUP\b/);
    const missing = await ground.run("true", (config) => {
      config.linux!.netDevices = { nosuchdev0: {} };
    });
    expect(missing.err).toContain(
      "linux.netDevices: moving nosuchdev0 into the container: no such network device",
    );
    expect(ground.leftovers()).toEqual([]);
  });
});

describe(`seccomp${unable && ` (skipped: ${unable})`}`, () => {
  /** The calls that a program linked statically needs, and none that came to Linux in the last ten years. */
  const OLD =
    "execve brk arch_prctl set_tid_address set_robust_list prlimit64 readlinkat readlink getrandom mprotect read write writev exit exit_group ioctl fstat newfstatat stat getuid geteuid getgid getegid capset rt_sigaction rt_sigprocmask rt_sigreturn mmap munmap uname fcntl prctl".split(
      " ",
    );

  it("a profile older than openat2 does not break the set-up, with and without no_new_privs", async () => {
    await using ground = new Ground();
    for (const noNewPrivileges of [true, false]) {
      ground.configure(["/bin/echo", "ran"], (config) => {
        config.process!.noNewPrivileges = noNewPrivileges;
        config.process!.user = { uid: 1000, gid: 1000 };
        config.process!.capabilities = { bounding: ["CAP_CHOWN"], effective: [], permitted: [] };
        config.linux!.seccomp = {
          defaultAction: "SCMP_ACT_ERRNO",
          syscalls: [{ names: OLD, action: "SCMP_ACT_ALLOW" }],
        };
      });
      expect(await ground.runc(["run", ground.id])).toEqual({ code: 0, out: "ran\n", err: "" });
    }
  });

  it("the filter is in force and CAP_SYS_ADMIN is gone", async () => {
    await using ground = new Ground();
    const { out } = await ground.run(
      "grep -E '^(CapEff|CapPrm|Seccomp):' /proc/self/status; mkdir /tmp/x || echo no",
      (config) => {
        config.process!.noNewPrivileges = false;
        config.process!.capabilities = {
          bounding: ["CAP_CHOWN"],
          effective: ["CAP_CHOWN"],
          permitted: ["CAP_CHOWN"],
        };
        config.linux!.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
        };
      },
    );
    expect(out).toBe("CapPrm:\t0000000000000001\nCapEff:\t0000000000000001\nSeccomp:\t2\nno\n");
  });

  it("NOTIFY: the agent gets listener and state, though the filter holds sendmsg and execve", async () => {
    await using ground = new Ground();
    const path = join(ground.directory, "agent");
    using listener = listenUnix(path);
    ground.shell("mkdir /tmp/x", (config) => {
      config.process!.capabilities = all;
      config.process!.noNewPrivileges = false;
      config.annotations = { who: "test" };
      config.linux!.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: path,
        listenerMetadata: "of the test",
        flags: ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        syscalls: [
          { names: ["execve", "sendmsg", "write", "capset", "mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" },
        ],
      };
    });
    const ended = ground.runc(["run", ground.id]);
    let connection: ReturnType<typeof accept>;
    await until("the runtime to connect", () => {
      connection = accept(listener);
      return connection !== undefined;
    });
    let message: ReturnType<typeof receiveFds>;
    await until("the listener", () => {
      message = receiveFds(connection!);
      return message !== undefined;
    });
    const document = JSON.parse(new TextDecoder().decode(message!.data));
    expect(document).toMatchObject({
      fds: ["seccompFd"],
      metadata: "of the test",
      state: { id: ground.id, status: "creating", bundle: ground.bundle, annotations: { who: "test" } },
    });
    expect(document.pid).toBeGreaterThan(1);
    expect(document.state.pid).toBe(document.pid);
    using notify = message!.fds[0]!;
    const made: number[] = [];
    while (made.length === 0) {
      const request = new Uint8Array(80); // struct seccomp_notif
      syscall("ioctl", "SECCOMP_IOCTL_NOTIF_RECV", notify.number, 0xc0502100, request);
      const view = new DataView(request.buffer);
      const number = view.getInt32(16, true);
      const denied = number === NR.mkdirat || (process.arch === "x64" && number === 83);
      if (denied) made.push(number);
      const answer = new Uint8Array(24); // struct seccomp_notif_resp
      answer.set(request.subarray(0, 8));
      new DataView(answer.buffer).setInt32(16, denied ? -13 : 0, true);
      new DataView(answer.buffer).setUint32(20, denied ? 0 : 1, true); // SECCOMP_USER_NOTIF_FLAG_CONTINUE
      syscall("ioctl", "SECCOMP_IOCTL_NOTIF_SEND", notify.number, 0xc0182101, answer);
    }
    // mkdir's complaint is a write: let it go on by closing the listener, which makes held calls fail with ENOSYS.
    notify.close();
    connection!.close();
    const { code } = await ended;
    expect(code).toBe(1);
    expect(ground.leftovers()).toEqual([]);
  });

  it("NOTIFY without an agent, or for everything, is refused", async () => {
    await using ground = new Ground();
    const { err } = await ground.run("true", (config) => {
      config.linux!.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
      };
    });
    expect(err).toContain("SCMP_ACT_NOTIFY needs a listenerPath");
    const nobody = await ground.run("true", (config) => {
      config.linux!.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: join(ground.directory, "nobody"),
      };
    });
    expect(nobody.err).toContain("nobody: connect: no such file or directory");
    expect(ground.leftovers()).toEqual([]);
  });
});

describe(`rootfsPropagation${unable && ` (skipped: ${unable})`}`, () => {
  it("is the container's root's own at the end", async () => {
    await using ground = new Ground();
    for (const [propagation, field] of [
      ["shared", / \/ [^-]*shared:/],
      ["rshared", / \/ [^-]*shared:/],
      ["unbindable", / \/ [^-]*unbindable/],
    ] as const) {
      const { out, err } = await ground.run(
        "grep ' / / \\| / rw\\| / ro' /proc/self/mountinfo | head -1",
        (config) => {
          config.linux!.rootfsPropagation = propagation;
        },
      );
      expect(err).toBe("");
      expect(out).toMatch(field);
    }
    expect(ground.leftovers()).toEqual([]);
  });
});
