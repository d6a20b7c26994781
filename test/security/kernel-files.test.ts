// Escapes by the kernel's own files: devices, the console, procfs and cgroups that an image or a container shows otherwise.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec } from "../../src/roles/runtime/default-spec.ts";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { Attack, unable, until } from "./attack.ts";
import { CORE_PATTERN, corePattern, noOldRunc, oldRunc, plainly } from "./plain.ts";

const it = test.skipIf(unable !== "");

/** /dev is the attacker's volume. */
function ownDev(ground: Attack, ...dropped: string[]): (config: Config) => void {
  return (config) => {
    config.root!.readonly = false;
    config.mounts = config
      .mounts!.filter(({ destination }) => !dropped.includes(destination))
      .map((mount) =>
        mount.destination === "/dev"
          ? { destination: "/dev", type: "bind", source: join(ground.volume, "dev"), options: ["rbind"] }
          : mount,
      );
  };
}

describe(`the kernel's files${unable && ` (skipped: ${unable})`}`, () => {
  it("CVE-2025-31133: /dev/null of the image is a link to something to be had", async () => {
    await using ground = new Attack();
    const dev = join(ground.volume, "dev");
    mkdirSync(dev);
    for (const name of ["pts", "shm", "mqueue"]) mkdirSync(join(dev, name));
    symlinkSync(CORE_PATTERN, join(dev, "null"));
    const { out } = await ground.attack("ls -l /proc/keys; cat /proc/keys | wc -c", ownDev(ground));
    expect(out).toMatch(/^c.* 1, +3 .*\n0\n$/);
    // Masked by path, the container gets what the link points to.
    const plain = plainly(
      ground,
      'fresh proc /proc; bind "$VOLUME/dev" /dev; mask /proc/keys; enter "cat /proc/keys"',
    );
    expect(plain.out).toBe(corePattern());
    ground.shell("cat /proc/keys", ownDev(ground));
    if (noOldRunc === "") expect(oldRunc(ground).out).toBe(corePattern());
  });

  it("CVE-2025-52565: the pty that becomes /dev/console is planted, and a link besides", async () => {
    await using ground = new Attack();
    const dev = join(ground.volume, "dev");
    for (const name of ["shm", "mqueue", "pts/pts"]) mkdirSync(join(dev, name), { recursive: true });
    // A multiplexer whose ptys are in the devpts beside it, so that /dev/pts/0 is free for the attacker's link.
    Bun.spawnSync(["mknod", "-m", "666", join(dev, "pts", "ptmx"), "c", "5", "2"]);
    symlinkSync(CORE_PATTERN, join(dev, "pts", "0"));
    const planted = (config: Config) => {
      ownDev(ground, "/dev/pts")(config);
      config.mounts!.push({
        destination: "/dev/pts/pts",
        type: "devpts",
        source: "devpts",
        options: ["newinstance"],
      });
    };
    ground.configure(["sh", "-c", "trap '' HUP; ls -l /dev/console > /answer; sleep 1000"], (config) => {
      planted(config);
      config.process!.terminal = true;
    });
    const socket = join(ground.directory, "c.sock");
    const listener = Bun.listen({ unix: socket, socket: { data() {} } });
    try {
      await ground.ok("run", "--detach", "--console-socket", socket, ground.id);
      const answer = join(ground.rootfs, "answer");
      await until("the answer", () => existsSync(answer) && readFileSync(answer, "utf8").endsWith("\n"));
      // A pty's end (major 136), whatever lies at the name it would have.
      expect(readFileSync(answer, "utf8")).toMatch(/^c.* 136, +\d+ .*\/dev\/console\n$/);
    } finally {
      listener.stop(true);
    }
    // By the name that ptsname(3) gives.
    const plain = plainly(
      ground,
      `fresh proc /proc; bind "$VOLUME/dev" /dev; fresh devpts /dev/pts/pts
      touch "$ROOT/dev/console"; chroot "$ROOT" /bin/mount --bind /dev/pts/0 /dev/console; enter "cat /dev/console"`,
    );
    expect(plain.out).toBe(corePattern());
  });

  it("CVE-2025-52565: a console behind a link, without a multiplexer, is an error that makes nothing outside", async () => {
    await using ground = new Attack();
    const dev = join(ground.volume, "dev");
    mkdirSync(join(dev, "pts"), { recursive: true });
    symlinkSync(`${"../".repeat(20)}${ground.secret}/console`, join(dev, "console"));
    writeFileSync(join(dev, "pts", "ptmx"), "");
    ground.configure(["true"], (config) => {
      ownDev(ground, "/dev/pts")(config);
      config.process!.terminal = true;
    });
    const socket = join(ground.directory, "c.sock");
    using _listener = Bun.listen({ unix: socket, socket: { data() {} } });
    const { code, err } = await ground.runc(["create", "--console-socket", socket, ground.id]);
    expect(code).toBe(1);
    expect(err).toContain("setting up the console");
    expect(existsSync(join(ground.secret, "console"))).toBe(false);
    expect(ground.leftovers()).toEqual([]);
  });

  it("CVE-2025-52881: sysctls go to the kernel's own /proc whatever the image shows", async () => {
    await using ground = new Attack();
    const caught = join(ground.secret, "caught");
    const fake = join(ground.rootfs, "proc", "sys", "net", "ipv4");
    mkdirSync(fake, { recursive: true });
    symlinkSync(caught, join(fake, "ip_forward"));
    symlinkSync("/tmp", join(ground.rootfs, "proc", "self"));
    const { out, code } = await ground.attack("cat /proc/sys/net/ipv4/ip_forward", (config) => {
      config.linux!.sysctl = { "net.ipv4.ip_forward": "1" };
    });
    expect({ code, out }).toEqual({ code: 0, out: "1\n" });
    expect(existsSync(caught)).toBe(false);
    plainly(ground, 'echo 1 > "$ROOT/proc/sys/net/ipv4/ip_forward"');
    expect(readFileSync(caught, "utf8")).toBe("1\n");
  });

  // A kernel without the module still has the file, and refuses what is written there: the refusal tells that it was the
  // kernel who got the label. The module is only made to look as if it were on.
  const pretend = [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-ec",
    'mount -t tmpfs modules /sys/module; mkdir -p /sys/module/apparmor/parameters; echo Y > /sys/module/apparmor/parameters/enabled; exec "$@"',
    "sh",
  ];
  const noLabels =
    unable ||
    (existsSync("/sys/module/apparmor")
      ? "AppArmor is on"
      : existsSync("/proc/self/attr/exec")
        ? ""
        : "no labels");

  test.skipIf(noLabels !== "")(
    `CVE-2025-52881: a label goes to the kernel, not to a /proc that the image or the container made${noLabels && ` (skipped: ${noLabels})`}`,
    async () => {
      await using ground = new Attack();
      const attr = join(ground.rootfs, "proc", "self", "attr");
      mkdirSync(attr, { recursive: true });
      writeFileSync(join(attr, "exec"), "");
      const labelled = (config: Config) => {
        config.process!.apparmorProfile = "wanted";
      };
      // At create: without a procfs mount the image's own /proc is what the container sees.
      ground.configure(["true"], (config) => {
        labelled(config);
        config.root!.readonly = false;
        config.linux!.maskedPaths = [];
        config.linux!.readonlyPaths = [];
        config.mounts = config.mounts!.filter(({ destination }) => destination !== "/proc");
      });
      const refused = await ground.runc(["run", ground.id], {}, pretend);
      expect(refused.err).toContain("setting the security label exec wanted");
      expect(readFileSync(join(attr, "exec"), "utf8")).toBe("");
      plainly(ground, 'enter "echo exec wanted > /proc/self/attr/exec"');
      expect(readFileSync(join(attr, "exec"), "utf8")).toBe("exec wanted\n");

      // At exec: the container has covered its own procfs.
      ground.shell(
        "mount -t tmpfs fake /proc; mkdir -p /proc/self/attr/apparmor; touch /proc/self/attr/exec /proc/ready; sleep 1000",
        (config) => {
          for (const set of ["bounding", "effective", "permitted"] as const)
            config.process!.capabilities![set]!.push("CAP_SYS_ADMIN");
        },
      );
      await ground.ok("run", "--detach", ground.id);
      const { pid } = await ground.state();
      const inside = (path: string) => `/proc/${pid}/root/proc/${path}`;
      await until("the covered /proc", () => existsSync(inside("ready")));
      const exec = await ground.runc(["exec", "--apparmor", "wanted", ground.id, "true"], {}, pretend);
      expect(exec.code).not.toBe(0);
      expect(exec.err).toContain("setting the security label exec wanted");
      expect(readFileSync(inside("self/attr/exec"), "utf8")).toBe("");
      plainly(ground, `nsenter -t ${pid} -m -r -- /bin/sh -c "echo exec wanted > /proc/self/attr/exec"`);
      expect(readFileSync(inside("self/attr/exec"), "utf8")).toBe("exec wanted\n");
    },
  );

  const pids = "/sys/fs/cgroup/pids";
  const noCgroup = unable || (existsSync(`${pids}/tasks`) ? "" : "no v1 cgroups");
  test.skipIf(noCgroup !== "")(
    `CVE-2023-25809: the user's own cgroups are read-only in a rootless container${noCgroup && ` (skipped: ${noCgroup})`}`,
    async () => {
      await using ground = new Attack();
      const own = `${pids}/${ground.id}-own`;
      const rootless = (options: (given: string[]) => string[]) => (config: Config) => {
        const { mounts, linux } = defaultSpec(true);
        config.mounts = mounts!.map((mount) =>
          mount.destination === "/sys" ? { ...mount, options: options(mount.options!) } : mount,
        );
        config.linux = { ...linux!, cgroupsPath: config.linux!.cgroupsPath! };
        delete config.process!.capabilities;
        config.process!.capabilities = { bounding: [], effective: [], permitted: [] };
      };
      const script = `mkdir ${own}/made && echo made`;
      mkdirSync(own);
      try {
        const ours = await ground.run(
          script,
          rootless((given) => given),
        );
        expect(ours.out).toBe("");
        expect(ours.err).toContain("Read-only file system");
        expect(existsSync(join(own, "made"))).toBe(false);
        // The same document with /sys read-only itself, and not what is mounted below it.
        const plain = await ground.run(
          script,
          rootless((given) => given.filter((word) => word !== "rro")),
        );
        expect(plain).toEqual({ code: 0, out: "made\n", err: "" });
        expect(existsSync(join(own, "made"))).toBe(true);
      } finally {
        if (existsSync(join(own, "made"))) rmdirSync(join(own, "made"));
        rmdirSync(own);
      }
    },
  );
});
