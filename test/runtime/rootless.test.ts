// A user without privileges: `spec --rootless` and `run`, with one id and with a range of /etc/subuid.
import { describe, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { bunker } from "../support/binary.ts";
import { Ground, unable } from "./ground.ts";

const UID = 12_345;
const RANGE = 300_000;
const missing =
  unable ||
  (!existsSync(bunker) ? "dist/bunker is not built" : "") ||
  (!existsSync("/usr/bin/setpriv") ? "no setpriv" : "");
const it = test.skipIf(missing !== "");
const ranges = test.skipIf(missing !== "" || !existsSync("/usr/bin/newuidmap"));

/**
 * Runs a script as the user, with a passwd entry and ranges of ids that exist for it alone, `runc` being the executable.
 * The mounts are those of a namespace of its own and go with it.
 */
async function asUser(ground: Ground, script: string): Promise<{ code: number; out: string; err: string }> {
  const at = (name: string) => join(ground.directory, name);
  writeFileSync(at("passwd"), `tester:x:${UID}:${UID}::/:/bin/sh\n`);
  writeFileSync(at("ranges"), `tester:${RANGE}:65536\n`);
  writeFileSync(at("runc"), "");
  if (!existsSync(at("run"))) mkdirSync(at("run"));
  for (const path of [at("run"), ground.bundle, ground.rootfs]) chownSync(path, UID, UID);
  writeFileSync(
    at("outer.sh"),
    `set -e
mount --bind ${at("passwd")} /etc/passwd
for file in /etc/subuid /etc/subgid; do [ -e $file ] && mount --bind ${at("ranges")} $file; done
mount --bind ${bunker} ${at("runc")}
cd ${ground.bundle}
exec setpriv --reuid ${UID} --regid ${UID} --clear-groups env XDG_RUNTIME_DIR=${at("run")} PATH=${ground.directory}:/usr/bin:/bin sh ${at("inner.sh")}
`,
  );
  writeFileSync(at("inner.sh"), script);
  const child = Bun.spawn(["unshare", "-m", "sh", at("outer.sh")], {
    stdin: "ignore",
    stdout: Bun.file(at("out")),
    stderr: Bun.file(at("err")),
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    timeout: 30_000,
  });
  const code = await child.exited;
  return { code, out: readFileSync(at("out"), "utf8"), err: readFileSync(at("err"), "utf8") };
}

/** `spec --rootless` for that user, changed. */
async function configure(ground: Ground, change: (config: Config) => void): Promise<void> {
  const path = join(ground.bundle, "config.json");
  rmSync(path);
  const made = await asUser(ground, "runc spec --rootless");
  expect(made).toEqual({ code: 0, out: "", err: "" });
  const config = JSON.parse(readFileSync(path, "utf8")) as Config;
  expect(config.linux?.uidMappings).toEqual([{ containerID: 0, hostID: UID, size: 1 }]);
  config.process!.terminal = false;
  change(config);
  writeFileSync(path, JSON.stringify(config));
}

describe(`without root${missing && ` (skipped: ${missing})`}`, () => {
  it("runs a container as its own root, and exec, kill and delete work on it", async () => {
    await using ground = new Ground();
    await configure(ground, (config) => {
      config.process!.args = ["sh", "-c", "while :; do sleep 0.1; done"];
    });
    const ran = await asUser(
      ground,
      `runc run -d c </dev/null >/dev/null
runc exec c sh -c 'id -u; cat /proc/self/uid_map; cat /proc/1/environ >/dev/null && echo readable'
runc list -q
runc kill c KILL
runc delete --force c
runc list -q; ls $XDG_RUNTIME_DIR/runc`,
    );
    expect(ran.err).toBe("");
    expect(ran.out.replaceAll(/ +/g, " ")).toBe(`0\n 0 ${UID} 1\nreadable\nc\n`);
    expect(ran.code).toBe(0);
  });

  ranges("maps a range of ids by newuidmap and newgidmap", async () => {
    await using ground = new Ground();
    await configure(ground, (config) => {
      config.process!.args = ["sh", "-c", "id -u; id -G; cat /proc/self/uid_map"];
      config.process!.user = { uid: 1000, gid: 1000, additionalGids: [5] };
      const maps = [
        { containerID: 0, hostID: UID, size: 1 },
        { containerID: 1, hostID: RANGE, size: 65536 },
      ];
      config.linux!.uidMappings = maps;
      config.linux!.gidMappings = maps;
    });
    const ran = await asUser(ground, "runc run c");
    expect(ran.err).toBe("");
    expect(ran.out.replaceAll(/ +/g, " ")).toBe(`1000\n1000 5\n 0 ${UID} 1\n 1 ${RANGE} 65536\n`);
  });

  ranges("a range that is not the user's is refused and leaves nothing", async () => {
    await using ground = new Ground();
    await configure(ground, (config) => {
      config.linux!.uidMappings = [{ containerID: 0, hostID: 0, size: 10 }];
    });
    const ran = await asUser(ground, "runc run c || echo code $?; ls $XDG_RUNTIME_DIR/runc");
    expect(ran.out).toBe("code 1\n");
    expect(ran.err).toContain("newuidmap 0 0 10: ");
  });

  it("a limit that needs a cgroup it may not make is an error", async () => {
    await using ground = new Ground();
    await configure(ground, (config) => {
      config.linux!.resources = { pids: { limit: 5 } };
    });
    const ran = await asUser(ground, "runc run c");
    expect(ran.code).toBe(1);
    expect(ran.err).toContain("cannot set pids.max: container could not join or create cgroup");
  });
});
