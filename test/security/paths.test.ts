// Escapes by paths: links in images and volumes that would lead the runtime's mounts, directories and files out of the root.
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NR } from "../../ffi/arch/index.ts";
import { AT_FDCWD } from "../../ffi/constants/fcntl.ts";
import { cstr, rawSyscall } from "../../ffi/libc.ts";
import { Attack, unable } from "./attack.ts";
import { plainly } from "./plain.ts";

const it = test.skipIf(unable !== "");
const RENAME_EXCHANGE = 2;
const UP = "../".repeat(20);

describe(`paths${unable && ` (skipped: ${unable})`}`, () => {
  it("CVE-2021-30465, CVE-2024-45310: mountpoints behind links stay inside, and nothing is made outside", async () => {
    await using ground = new Attack();
    symlinkSync(`${UP}${ground.secret}`, join(ground.volume, "link"));
    symlinkSync(ground.secret, join(ground.rootfs, "absolute"));
    const { out, code } = await ground.attack("cat /proc/self/mountinfo", (config) => {
      config.mounts!.push(
        { destination: "/vol", type: "bind", source: ground.volume, options: ["rbind"] },
        { destination: "/vol/link/made/here", type: "tmpfs", source: "tmpfs" },
        { destination: "/absolute/made/there", type: "tmpfs", source: "tmpfs" },
        { destination: "/absolute/file", type: "bind", source: "/bin/busybox", options: ["bind", "ro"] },
      );
    });
    expect(code).toBe(0);
    for (const name of ["made/here", "made/there", "file"])
      expect(out).toContain(` ${ground.secret}/${name} `);
    expect(readdirSync(ground.secret)).toEqual([]);
    // By path it is the host's directory where the mountpoint gets made, and mounted on.
    const plain = plainly(
      ground,
      'bind "$VOLUME" /vol; fresh tmpfs /vol/link/made/here; cat /proc/self/mountinfo',
    );
    expect(plain.out).toContain(` ${ground.secret}/made/here `);
    expect(readdirSync(ground.secret)).toEqual(["made"]);
  });

  it("CVE-2021-30465: the same while another container exchanges directory and link", async () => {
    await using ground = new Attack();
    mkdirSync(join(ground.volume, "place"));
    symlinkSync(`${UP}${ground.secret}`, join(ground.volume, "link"));
    let stop = false;
    const racer = (async () => {
      const [place, link] = [cstr(join(ground.volume, "place")), cstr(join(ground.volume, "link"))];
      while (!stop) {
        rawSyscall(NR.renameat2, AT_FDCWD, place, AT_FDCWD, link, RENAME_EXCHANGE);
        await Bun.sleep(0);
      }
    })();
    try {
      for (let i = 0; i < 12; i++) {
        const { out, code } = await ground.attack(
          "ls /vol/place/deep; cat /proc/self/mountinfo",
          (config) => {
            config.mounts!.push(
              { destination: "/vol", type: "bind", source: ground.volume, options: ["rbind"] },
              { destination: "/vol/place/deep", type: "tmpfs", source: "tmpfs" },
            );
          },
        );
        // Losing the race may fail; it must not reach the host's directory.
        if (code === 0) expect(out).toMatch(/ (\/vol\/(place|link)\/deep|\/\S*secret\/deep) /);
        expect(readdirSync(ground.secret)).toEqual([]);
      }
    } finally {
      stop = true;
      await racer;
    }
    // A check that the path stays inside, and a mount by that path: in between it was exchanged.
    const plain = plainly(
      ground,
      `bind "$VOLUME" /vol
      cd "$VOLUME"
      # The racer may have stopped with the link in the directory's place.
      if [ -L place ]; then mv place aside; mv link place; mv aside link; fi
      checked=$(readlink -f "$ROOT/vol/place"); [ "$checked" = "$ROOT/vol/place" ]
      mv place aside; mv link place
      fresh tmpfs "\${checked#$ROOT}/deep"`,
    );
    expect({ code: plain.code, err: plain.err }).toEqual({ code: 0, err: "" });
    expect(readdirSync(ground.secret)).toEqual(["deep"]);
  });

  it("CVE-2019-19921, CVE-2023-27561, CVE-2019-18837, CVE-2025-54867: /proc and /sys as links of the image", async () => {
    for (const name of ["proc", "sys"]) {
      await using ground = new Attack();
      rmSync(join(ground.rootfs, name), { recursive: true });
      mkdirSync(join(ground.rootfs, "fake"));
      symlinkSync("fake", join(ground.rootfs, name));
      const { code, err } = await ground.attack("true");
      expect(code).toBe(1);
      expect(err).toContain(`must be mounted on ordinary directory`);
      expect(ground.leftovers()).toEqual([]);
    }
    // By path the real one appears behind the link, and once the link is gone the masks miss it.
    await using ground = new Attack();
    rmSync(join(ground.rootfs, "proc"), { recursive: true });
    mkdirSync(join(ground.rootfs, "fake"));
    symlinkSync("fake", join(ground.rootfs, "proc"));
    const plain = plainly(
      ground,
      `fresh proc /proc; bind /dev /dev
      rm "$ROOT/proc"; mkdir "$ROOT/proc"; touch "$ROOT/proc/keys"
      mask /proc/keys; enter "stat -c %F /proc/keys /fake/keys"`,
    );
    expect(plain.out).toBe("character special file\nregular empty file\n");
  });

  it("CVE-2019-16884, CVE-2023-28642: a volume over /proc, or inside it, is refused", async () => {
    await using ground = new Attack();
    const mount = (destination: string) =>
      ground.attack("true", (config) => {
        config.mounts!.push({ destination, type: "bind", source: ground.volume, options: ["bind"] });
      });
    expect((await mount("/proc")).err).toContain("cannot be mounted because it is not of type proc");
    expect((await mount("/x/../proc/")).err).toContain("cannot be mounted because it is not of type proc");
    expect((await mount("/proc/self/attr")).err).toContain("cannot be mounted because it is inside /proc");
    expect((await mount("/proc/sys/kernel")).err).toContain("cannot be mounted because it is inside /proc");
    // What lxcfs does stays possible.
    writeFileSync(join(ground.volume, "uptime"), "1.00 1.00\n");
    const { out } = await ground.attack("cat /proc/uptime", (config) => {
      const source = join(ground.volume, "uptime");
      config.mounts!.push({ destination: "/proc/uptime", type: "bind", source, options: ["bind", "ro"] });
    });
    expect(out).toBe("1.00 1.00\n");
    // Without the check the volume is where the label goes.
    mkdirSync(join(ground.volume, "self", "attr"), { recursive: true });
    writeFileSync(join(ground.volume, "self", "attr", "exec"), "");
    plainly(ground, 'fresh proc /proc; bind "$VOLUME" /proc; enter "echo label > /proc/self/attr/exec"');
    expect(readFileSync(join(ground.volume, "self", "attr", "exec"), "utf8")).toBe("label\n");
  });

  it("CVE-2024-21626: a working directory that is a descriptor of the runtime", async () => {
    await using ground = new Attack();
    symlinkSync("/proc/self/fd/8", join(ground.rootfs, "work"));
    for (const cwd of [...[3, 5, 6, 7, 8, 9, 10, 12].map((fd) => `/proc/self/fd/${fd}`), "/work"]) {
      const { code, out, err } = await ground.attack("cat ../../../../../etc/hostname; pwd -P", (config) => {
        config.process!.cwd = cwd;
      });
      expect({ cwd, code, out }).toEqual({ cwd, code: 1, out: "" });
      expect(err).toContain("cwd");
    }
    ground.configure(["sleep", "1000"]);
    await ground.ok("run", "-d", ground.id);
    for (const fd of [3, 4, 5, 6, 7, 8]) {
      const { code, out } = await ground.runc(["exec", "--cwd", `/proc/self/fd/${fd}`, ground.id, "ls"]);
      expect({ fd, code, out }).toEqual({ fd, code: 255, out: "" });
    }
    // With a directory of the host left open, and chdir by path.
    writeFileSync(join(ground.secret, "reached"), "");
    const plain = plainly(ground, 'fresh proc /proc; exec 8<"$SECRET"; enter "cd /proc/self/fd/8; ls"');
    expect(plain.out).toBe("reached\n");
  });

  it("a rootfs that is a link of the bundle's owner leads to where it leads, never to /", async () => {
    await using ground = new Attack();
    ground.configure(["true"], (config) => {
      config.root!.path = "link";
    });
    symlinkSync("/", join(ground.bundle, "link"));
    chmodSync(ground.bundle, 0o755);
    expect((await ground.runc(["run", ground.id])).err).toContain("invalid rootfs");
  });
});
