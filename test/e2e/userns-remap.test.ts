// --userns-remap: containers whose root is nobody on the host. What dockerd 20.10 does in the same places was looked at by hand.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bunker } from "../support/binary.ts";
import { type BusyboxEngine, busyboxEngine, noBusyboxEngine } from "../support/busybox-engine.ts";
import { run, until } from "../support/process.ts";

const why = noBusyboxEngine ?? (Bun.which("useradd") ? undefined : "useradd is not installed");
const ROOT = 100_000;

describe.skipIf(why !== undefined)(why ? `userns-remap (skipped: ${why})` : "userns-remap", () => {
  const etc = mkdtempSync(join(tmpdir(), "bunker-etc-"));
  let on: BusyboxEngine;

  // The user that "default" makes, and its ranges, are in an /etc of the engine's own.
  const behind = (() => {
    for (const name of ["upper", "work"]) mkdirSync(join(etc, name));
    const options = `lowerdir=/etc,upperdir=${etc}/upper,workdir=${etc}/work`;
    const script = `mount -t overlay overlay -o ${options} /etc && exec "$@"`;
    return ["unshare", "--mount", "sh", "-c", script, "engine"];
  })();
  const ranges = (text: string) => {
    for (const name of ["subuid", "subgid"]) writeFileSync(join(etc, "upper", name), text);
  };

  beforeAll(async () => {
    ranges("");
    on = await busyboxEngine(["--userns-remap", "default"], behind);
  }, 120_000);
  afterAll(async () => {
    await on?.[Symbol.asyncDispose]();
    rmSync(etc, { recursive: true, force: true });
  }, 60_000);

  const docker = async (...args: string[]) => {
    const result = await on.engine.docker(args);
    return { ...result, out: result.stdout.trim() };
  };
  const good = async (...args: string[]): Promise<string> => {
    const result = await docker(...args);
    if (result.code !== 0) throw new Error(`docker ${args.join(" ")}: ${result.stderr}`);
    return result.out;
  };
  const ownerOf = (path: string) => {
    const { uid, gid } = statSync(path);
    return [uid, gid];
  };
  const gone = (name: string) => on.api("DELETE", `/containers/${name}?force=1&v=1`);

  test("the default user, a data root of its own, and info", async () => {
    const info = (await on.api("GET", "/info")).json;
    expect(info.SecurityOptions).toContain("name=userns");
    expect(info.DockerRootDir).toBe(join(on.engine.dataRoot, `${ROOT}.${ROOT}`));
    expect(ownerOf(on.engine.dataRoot)).toEqual([0, ROOT]);
    expect(ownerOf(info.DockerRootDir)).toEqual([0, ROOT]);
    expect(readFileSync(join(etc, "upper", "passwd"), "utf8")).toMatch(/^dockremap:.*:\/bin\/false$/m);
    expect(readFileSync(join(etc, "upper", "subuid"), "utf8")).toBe(`dockremap:${ROOT}:65536\n`);
  });

  test("root inside is nobody outside, and sees itself as root", async () => {
    const id = await on.run("plain", ["sleep", "1000"]);
    const { Pid } = (await on.api("GET", `/containers/${id}/json`)).json.State;
    expect(readFileSync(`/proc/${Pid}/status`, "utf8")).toContain(`Uid:\t${ROOT}\t${ROOT}`);
    expect((await good("exec", "plain", "cat", "/proc/self/uid_map")).split(/\s+/)).toEqual([
      "0",
      String(ROOT),
      "65536",
    ]);
    const seen = await good(
      "exec",
      "plain",
      "stat",
      "-c",
      "%u:%g",
      "/",
      "/bin/busybox",
      "/etc/hosts",
      "/dev/shm",
    );
    expect(seen.split("\n")).toEqual(["0:0", "0:0", "0:0", "0:0"]);
    // It may write to its own files, these three included.
    await good(
      "exec",
      "plain",
      "sh",
      "-c",
      "echo 192.0.2.1 here >> /etc/hosts && echo x > /etc/own && mkdir /d",
    );
    expect(await good("exec", "-u", "7:8", "plain", "id", "-u")).toBe("7");
    expect(
      await good("exec", "plain", "sh", "-c", "mount -t tmpfs t /d 2>&1; dmesg 2>&1 | head -1 || true"),
    ).toContain("denied");
    await gone("plain");
  });

  test("--userns=host opts out; what cannot be is refused in docker's words", async () => {
    expect(
      (await good("run", "--rm", "--userns=host", "busybox", "cat", "/proc/self/uid_map")).split(/\s+/),
    ).toEqual(["0", "0", "4294967295"]);
    expect(await good("run", "--rm", "--userns=host", "busybox", "stat", "-c", "%u", "/bin/busybox")).toBe(
      "0",
    );
    for (const [host, message] of [
      [
        { Privileged: true },
        "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
      ],
      [{ NetworkMode: "host" }, "cannot share the host's network namespace when user namespaces are enabled"],
      [{ PidMode: "host" }, "cannot share the host PID namespace when user namespaces are enabled"],
    ] as const) {
      const answer = await on.api("POST", "/containers/create", { Image: "busybox", HostConfig: host });
      expect([answer.status, answer.json]).toEqual([400, { message }]);
    }
    const created = await on.api("POST", "/containers/create", {
      Image: "busybox",
      HostConfig: { NetworkMode: "host", UsernsMode: "host" },
    });
    expect(created.status).toBe(201);
    await gone(created.json.Id);
  });

  test("volumes and missing bind sources belong to the containers' root, filled ones as the image has them", async () => {
    const bind = mkdtempSync(join(on.engine.dir, "bind-"));
    const build = await on.engine.docker(["build", "-q", "-t", "owned", "-"], {
      stdin:
        "FROM busybox\nRUN mkdir /data && echo hi > /data/file && chown 5:6 /data/file && chmod 700 /data\nVOLUME /data\n",
    });
    expect(build.code).toBe(0);
    await good(
      "run",
      "--name",
      "vol",
      "-v",
      "filled:/data",
      "-v",
      `${bind}/new/er:/b`,
      "owned",
      "sh",
      "-c",
      "touch /b/x /data/y",
    );
    const { Mountpoint } = (await on.api("GET", "/volumes/filled")).json;
    expect(ownerOf(Mountpoint)).toEqual([ROOT, ROOT]);
    expect(ownerOf(join(Mountpoint, "file"))).toEqual([ROOT + 5, ROOT + 6]);
    expect(ownerOf(join(Mountpoint, "y"))).toEqual([ROOT, ROOT]);
    expect(ownerOf(join(bind, "new"))).toEqual([ROOT, ROOT]);
    expect(ownerOf(join(bind, "new/er/x"))).toEqual([ROOT, ROOT]);
    expect(
      await good("run", "--rm", "-v", "filled:/v", "busybox", "stat", "-c", "%u:%g", "/v", "/v/file"),
    ).toBe("0:0\n5:6");
    await gone("vol");
  });

  test("cp in and out, running and stopped, speaks the container's ids", async () => {
    const dir = mkdtempSync(join(on.engine.dir, "cp-"));
    writeFileSync(join(dir, "in"), "in");
    await on.run("cp", ["sleep", "1000"], { HostConfig: { Binds: ["cpv:/vol"] } });
    for (const state of ["running", "stopped"]) {
      if (state === "stopped") await good("stop", "-t", "0", "cp");
      await good("cp", join(dir, "in"), `cp:/${state}`);
      await good("cp", join(dir, "in"), `cp:/vol/${state}`);
      const tar = await on.raw("GET", `/containers/cp/archive?path=/${state}`);
      await Bun.write(join(dir, `${state}.tar`), tar);
      const listed = await run(["tar", "--numeric-owner", "-tvf", join(dir, `${state}.tar`)]);
      expect(listed.stdout).toMatch(/^-\S+ 0\/0 /);
      const inVolume = await on.raw("GET", `/containers/cp/archive?path=/vol/${state}`);
      await Bun.write(join(dir, "v.tar"), inVolume);
      expect((await run(["tar", "--numeric-owner", "-tvf", join(dir, "v.tar")])).stdout).toMatch(
        /^-\S+ 0\/0 /,
      );
    }
    await good("start", "cp");
    const seen = await good(
      "exec",
      "cp",
      "stat",
      "-c",
      "%u:%g",
      "/running",
      "/stopped",
      "/vol/running",
      "/vol/stopped",
      "/vol",
    );
    expect(seen.split("\n")).toEqual(["0:0", "0:0", "0:0", "0:0", "0:0"]);
    await gone("cp");
    expect(readdirSync(join(on.engine.execRoot, "trees"))).toEqual([]);
  });

  test("commit, diff and export have the container's ids; restarts keep its files", async () => {
    await on.run("made", ["sh", "-c", "echo hi > /f; chown 3:4 /f; rm /bin/rev; sleep 1000"]);
    await until(
      "the command to have run",
      async () => (await docker("exec", "made", "test", "-e", "/bin/rev")).code !== 0,
    );
    await good("restart", "-t", "0", "made");
    expect(await good("exec", "made", "cat", "/f")).toBe("hi");
    expect((await good("diff", "made")).split("\n").sort()).toEqual(["A /f", "C /bin", "D /bin/rev"]);
    const out = join(on.engine.dir, "made.tar");
    await Bun.write(out, await on.raw("GET", "/containers/made/export"));
    expect((await run(["tar", "--numeric-owner", "-tvf", out, "f"])).stdout).toMatch(/^-\S+ 3\/4 /);
    await good("commit", "made", "made");
    const script = "stat -c %u:%g /f; test -e /bin/rev || echo without";
    expect(await good("run", "--rm", "made", "sh", "-c", script)).toBe("3:4\nwithout");
    expect(await good("run", "--rm", "--userns=host", "made", "sh", "-c", script)).toBe("3:4\nwithout");
    await gone("made");
  });

  test("RUN, COPY and mounts of RUN in a build", async () => {
    const dir = mkdtempSync(join(on.engine.dir, "build-"));
    writeFileSync(join(dir, "secret"), "shown\n", { mode: 0o600 });
    writeFileSync(
      join(dir, "Dockerfile"),
      `FROM busybox AS one
RUN echo deep > /deep && chmod 600 /deep && id -u > /who
FROM busybox
COPY --chown=9:9 secret /copied
RUN --mount=type=bind,source=secret,target=/s cat /s > /from-context
RUN --mount=type=bind,from=one,target=/one,rw cat /one/deep > /from-stage && touch /one/x && rm /one/deep
RUN --mount=type=cache,target=/cache touch /cache/x && stat -c %u /cache > /cache-owner
`,
    );
    const built = await on.engine.docker(["build", "-t", "mounts", dir]);
    expect(built.stderr + built.stdout).toContain("mounts");
    const seen = await good(
      "run",
      "--rm",
      "mounts",
      "sh",
      "-c",
      "stat -c %u:%g /copied /from-stage; cat /from-context /from-stage /cache-owner",
    );
    expect(seen.split("\n")).toEqual(["9:9", "0:0", "shown", "deep", "0"]);
  });

  test("namespaces of another container are joined with its user namespace", async () => {
    await on.run("donor", ["sleep", "1000"], { HostConfig: { IpcMode: "shareable" } });
    const own = await good("exec", "donor", "readlink", "/proc/self/ns/user");
    for (const kind of ["--network", "--pid", "--ipc"]) {
      const joined = await good(
        "run",
        "--rm",
        kind,
        "container:donor",
        "busybox",
        "readlink",
        "/proc/self/ns/user",
      );
      expect([kind, joined]).toEqual([kind, own]);
    }
    expect(await good("exec", "donor", "stat", "-c", "%u %a", "/dev/shm")).toBe("0 1777");
    await gone("donor");
  });

  test("containers outlive the engine, and it takes them up again", async () => {
    await on.run("lasting", ["sleep", "1000"]);
    await on.engine.kill();
    await on.engine.start();
    expect(await good("exec", "lasting", "id", "-u")).toBe("0");
    await gone("lasting");
  });

  test("users, groups and ranges that are not there are refused in dockerd's words", async () => {
    const attempt = async (setting: string) => {
      const args = [
        "--userns-remap",
        setting,
        "--data-root",
        `${etc}/d`,
        "--exec-root",
        `${etc}/e`,
        "-H",
        `unix://${etc}/s`,
      ];
      const result = await run([...behind, bunker, "dockerd", ...args, "--pidfile", `${etc}/p`]);
      return [result.code, result.stderr.trim().split("\n").at(-1)];
    };
    expect(await attempt("nosuch")).toEqual([
      1,
      'Error during uid lookup for "nosuch": getent unable to find entry "nosuch" in passwd database',
    ]);
    expect(await attempt("root:nosuch")).toEqual([
      1,
      'Error during groupname lookup for "nosuch": getent unable to find entry "nosuch" in group database',
    ]);
    expect(await attempt("12345")).toEqual([
      1,
      'Uid 12345 has no entry in /etc/passwd: getent unable to find entry "12345" in passwd database',
    ]);
    expect(await attempt("a:b:c")).toEqual([
      1,
      'Invalid user/group specification in --userns-remap: "a:b:c"',
    ]);
    expect(await attempt("daemon")).toEqual([
      1,
      `Can't create ID mappings: no subuid ranges found for user "daemon"`,
    ]);
  });
});
