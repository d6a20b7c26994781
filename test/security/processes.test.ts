// Escapes by processes: what of the runtime can be reached from inside, and what a container's processes are handed.
import { describe, expect, test } from "bun:test";
import { copyFileSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Attack, unable } from "./attack.ts";
import { plainly } from "./plain.ts";

const it = test.skipIf(unable !== "");

/** What a process has open and mapped, by name. */
function reach(pid: number): string[] {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return [...fds, ...maps.flatMap((line) => line.split(/\s+/)[5] ?? [])].filter(Boolean);
}

describe(`processes${unable && ` (skipped: ${unable})`}`, () => {
  it("CVE-2019-5736: the program that sets the container up is no file of the host", async () => {
    await using ground = new Attack();
    ground.configure(["sleep", "1000"]);
    await ground.ok("create", ground.id);
    const { pid } = await ground.state();
    expect(readlinkSync(`/proc/${pid}/exe`)).toBe("/memfd:launcher (deleted)");
    const files = reach(pid).filter((name) => /^\/./.test(name) && !name.startsWith("/memfd:launcher"));
    expect(files.filter((name) => !/^\/dev\/null$|\/exec\.fifo$|\.(out|err)$/.test(name))).toEqual([]);
  });

  it("CVE-2019-5736: a container that runs /proc/self/exe runs nothing of the host and changes nothing there", async () => {
    await using ground = new Attack();
    const runtime = ground.command()[0]!;
    const before = statSync(runtime).mtimeMs;
    ground.configure(["/proc/self/exe"]);
    const { out } = await ground.runc(["run", ground.id]);
    expect(out).toBe("");
    const written = await ground.attack(
      "for exe in /proc/[0-9]*/exe; do echo x > $exe && echo wrote $exe; done",
    );
    expect(written.out).toBe("");
    expect(statSync(runtime).mtimeMs).toBe(before);
    expect(ground.leftovers().filter((name) => !name.includes("state"))).toEqual([]);
    // A runtime that joins as the file it is: the container opens it, waits for its end, and writes.
    const program = join(ground.directory, "busybox-runtime");
    copyFileSync("/bin/busybox", program);
    const plain = plainly(
      ground,
      `fresh proc /proc
      chroot "$ROOT" /bin/sh -c '
        while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *busybox-runtime*) exec 7<$p/exe; break 2;; esac; done; done
        until echo overwritten > /proc/self/fd/7; do :; done 2>/dev/null' &
      "$HERE/busybox-runtime" sleep 1
      wait`,
    );
    expect(plain.err).toBe("");
    expect(readFileSync(program, "utf8")).toBe("overwritten\n");
  });

  it("CVE-2016-9962: a process that is being set up cannot be looked into by the container's own", async () => {
    await using ground = new Attack();
    ground.configure(["sleep", "1000"], (config) => {
      config.process!.user = { uid: 1000, gid: 1000 };
    });
    await ground.ok("create", ground.id);
    const { pid } = await ground.state();
    // Not dumpable: its files in /proc are root's, though the process is the user's by now.
    expect(/^Uid:\s+1000\s/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))).toBe(true);
    expect(statSync(`/proc/${pid}/mem`).uid).toBe(0);
    // The only directory it holds is its own root.
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const stat = statSync(`/proc/${pid}/fd/${fd}`);
      if (stat.isDirectory()) expect(stat.ino).toBe(statSync(ground.rootfs).ino);
    }
    // A runtime that joins as it is, with a directory of the host still open.
    writeFileSync(join(ground.secret, "reached"), "");
    const plain = plainly(
      ground,
      `fresh proc /proc
      ( exec 9<"$SECRET"; exec chroot "$ROOT" /bin/sleep 5 ) & joined=$!
      enter "until ls /proc/$joined/fd/9/reached; do :; done" 2>/dev/null; kill $joined`,
    );
    expect(plain.out).toMatch(/^\/proc\/\d+\/fd\/9\/reached\n$/);
  });

  it("descriptors: only stdio and what was preserved reaches the program", async () => {
    await using ground = new Attack();
    ground.configure(["ls", "/proc/self/fd"]);
    expect((await ground.runc(["run", ground.id])).out).toBe("0\n1\n2\n3\n");
    ground.configure(["sleep", "1000"]);
    await ground.ok("run", "-d", ground.id);
    expect((await ground.runc(["exec", ground.id, "ls", "/proc/self/fd"])).out).toBe("0\n1\n2\n3\n");
  });

  it("CVE-2022-29162, CVE-2022-27650: nothing is inheritable that was not asked for", async () => {
    await using ground = new Attack();
    const inherited = async (args: string[]) => /^CapInh:\s*(\w+)/m.exec((await ground.runc(args)).out)?.[1];
    ground.configure(["cat", "/proc/self/status"], (config) => {
      config.process!.capabilities!.ambient = [];
    });
    expect(await inherited(["run", ground.id])).toBe("0".repeat(16));
    ground.configure(["sleep", "1000"], (config) => {
      config.process!.capabilities!.ambient = [];
    });
    await ground.ok("run", "-d", ground.id);
    expect(await inherited(["exec", ground.id, "cat", "/proc/self/status"])).toBe("0".repeat(16));
    expect(await inherited(["exec", "--cap", "CAP_NET_ADMIN", ground.id, "cat", "/proc/self/status"])).toBe(
      "0".repeat(16),
    );
    // With the inheritable set filled like the others, as runtimes did, a file's own inheritable bits become permitted ones.
    const plain = plainly(
      ground,
      'fresh proc /proc; setpriv --inh-caps=+net_admin chroot "$ROOT" /bin/cat /proc/self/status',
    );
    expect(/^CapInh:\s*(\w+)/m.exec(plain.out)?.[1]).toBe("0000000000001000");
  });

  it("CVE-2025-27612: exec has the container's capabilities, not the caller's", async () => {
    await using ground = new Attack();
    ground.configure(["sleep", "1000"]);
    await ground.ok("run", "-d", ground.id);
    const sets = (text: string) => [...text.matchAll(/^Cap(?:Prm|Eff|Bnd):\s*(\w+)/gm)].map(([, set]) => set);
    const inside = await ground.ok("exec", ground.id, "cat", "/proc/self/status");
    const { pid } = await ground.state();
    expect(sets(inside)).toEqual(sets(readFileSync(`/proc/${pid}/status`, "utf8")));
    expect(sets(inside)[2]).not.toBe(sets(readFileSync("/proc/self/status", "utf8"))[2]);
    // Joining namespaces alone takes nothing away.
    const plain = Bun.spawnSync([
      "nsenter",
      "-t",
      `${pid}`,
      "-m",
      "-p",
      "-r",
      "/bin/cat",
      "/proc/self/status",
    ]);
    expect(sets(plain.stdout.toString())).toEqual(sets(readFileSync("/proc/self/status", "utf8")));
  });

  it("a hook's environment is its own, and a container's id is no path", async () => {
    await using ground = new Attack();
    ground.configure(["true"]);
    for (const id of ["../x", "a/b", "..", "", "a\0b"].filter((id) => !id.includes("\0")))
      expect((await ground.runc(["create", id])).code).toBe(1);
    expect(readdirSync(ground.directory)).not.toContain("x");
    expect(readdirSync(join(ground.bundle))).not.toContain("b");
  });
});
