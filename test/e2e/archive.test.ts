// `docker cp`'s side of the engine: archives in and out of running and stopped containers, on odd paths.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BusyboxEngine, busyboxEngine, noBusyboxEngine } from "../support/busybox-engine.ts";
import { run } from "../support/process.ts";
import { tar } from "../support/tar.ts";

const why = noBusyboxEngine;

describe.skipIf(why !== undefined)(why ? `archive (skipped: ${why})` : "archive", () => {
  let on: BusyboxEngine;
  let bind = "";
  const SETUP =
    "mkdir -p /a/b; echo x >/a/b/f; ln /a/b/f /a/b/g; ln -s /a/b /link; ln -s ../../../../../etc /esc; ln -s nowhere/x /broken; mkfifo /a/pipe; touch /ready; exec sleep 1000";

  beforeAll(async () => {
    on = await busyboxEngine();
    bind = mkdtempSync(join(tmpdir(), "bunker-cp-"));
    await on.run("box", ["sh", "-c", SETUP], {
      HostConfig: {
        NetworkMode: "none",
        Binds: [`${bind}:/bind`, "vol:/vol", "locked:/locked:ro"],
        Tmpfs: { "/tmp": "" },
      },
    });
    await on.run("stopped", ["sh", "-c", "true"], {
      HostConfig: { NetworkMode: "none", Binds: [`${bind}:/bind`, "vol:/vol", "locked:/locked:ro"] },
    });
    await on.api("POST", "/containers/stopped/wait");
    for (;;) if ((await on.api("HEAD", "/containers/box/archive?path=/ready")).status === 200) break;
  }, 120_000);

  afterAll(async () => {
    await on?.[Symbol.asyncDispose]();
    if (bind) rmSync(bind, { recursive: true, force: true });
  }, 60_000);

  const names = async (id: string, path: string): Promise<string[]> => {
    const answer = await on.raw("GET", `/containers/${id}/archive?path=${encodeURIComponent(path)}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/x-tar");
    const listed = await run(["tar", "-tPf", "-"], { stdin: new Uint8Array(await answer.arrayBuffer()) });
    expect(listed.stderr).toBe("");
    return listed.stdout.split("\n").filter(Boolean);
  };
  const stat = async (id: string, path: string) => {
    const answer = await on.api("HEAD", `/containers/${id}/archive?path=${encodeURIComponent(path)}`);
    const header = answer.headers.get("x-docker-container-path-stat");
    return header ? JSON.parse(Buffer.from(header, "base64").toString()) : answer.status;
  };
  const put = (id: string, path: string, archive: Uint8Array, more = "") =>
    on.api("PUT", `/containers/${id}/archive?path=${encodeURIComponent(path)}${more}`, archive);
  const content = async (id: string, path: string): Promise<string> => {
    const answer = await on.raw("GET", `/containers/${id}/archive?path=${encodeURIComponent(path)}`);
    return (await run(["tar", "-xOf", "-"], { stdin: new Uint8Array(await answer.arrayBuffer()) })).stdout;
  };

  test("names begin with the last part of the path, as it was asked for", async () => {
    expect(await names("box", "/a")).toEqual(["a/", "a/b/", "a/b/f", "a/b/g", "a/pipe"]);
    expect(await names("box", "/a/b/")).toEqual(["b/", "b/f", "b/g"]);
    expect(await names("box", "a/b/.")).toEqual(["./", "./f", "./g"]);
    expect(await names("box", "/a/x/../b/f")).toEqual(["f"]);
    expect(await names("box", "/link")).toEqual(["link"]);
    expect(await names("box", "/link/")).toEqual(["link/", "link/f", "link/g"]);
    const whole = await names("box", "/");
    expect(whole[0]).toBe("/");
    expect(whole).toContain("/proc/");
    expect(whole.some((name) => name.startsWith("/proc/1"))).toBe(false);
    expect(whole).toContain("/a/b/f");
  });

  test("a path's stat: Go's file modes, links followed to where they lead", async () => {
    expect(await stat("box", "/a/b")).toMatchObject({ name: "b", linkTarget: "" });
    expect((await stat("box", "/a/b")).mode).toBe(2 ** 31 + 0o755);
    expect(await stat("box", "/link")).toMatchObject({ name: "link", linkTarget: "/a/b" });
    expect((await stat("box", "/link")).mode).toBe(2 ** 27 + 0o777);
    expect(await stat("box", "/link/")).toMatchObject({ name: "link", linkTarget: "" });
    expect(await stat("box", "/broken")).toMatchObject({ linkTarget: "/nowhere/x" });
    expect(await stat("box", "/esc")).toMatchObject({ linkTarget: "/etc" });
    expect((await stat("box", "/tmp")).mode).toBe(2 ** 31 + 2 ** 20 + 0o777);
    expect(await stat("box", "/nothing")).toBe(404);
    expect(await stat("box", "")).toBe(400);
    expect(await stat("box", "/a/b/f/")).toBe(400);
    expect(await stat("nobody", "/")).toBe(404);
    const missing = await on.api("GET", "/containers/box/archive?path=/nothing");
    expect(missing.json.message).toBe("Could not find the file /nothing in container box");
  });

  for (const id of ["box", "stopped"]) {
    test(`in and out of one that is ${id === "box" ? "running" : "stopped"}, volumes and binds included`, async () => {
      const archive = tar([
        { name: "in/", type: "5" },
        { name: "in/file", content: id, uid: 7, gid: 8 },
        { name: "in/hard", type: "1", link: "in/file" },
        { name: ".wh.plain", content: "no whiteout" },
      ]);
      for (const place of ["/", "/vol", "/bind", "/home"]) {
        expect((await put(id, place, archive)).status).toBe(200);
        expect(await content(id, join(place, "in/file"))).toBe(id);
        expect(await content(id, join(place, "in/hard"))).toBe(id);
        expect(await content(id, join(place, ".wh.plain"))).toBe("no whiteout");
      }
      expect(await Bun.file(join(bind, "in/file")).text()).toBe(id);
    });
  }

  test("archives through a link stay inside, and absolute links are the container's", async () => {
    expect((await put("box", "/esc", tar([{ name: "planted", content: "1" }]))).status).toBe(200);
    expect(await content("box", "/etc/planted")).toBe("1");
    const sly = tar([
      { name: "out", type: "2", link: "/home" },
      { name: "out/there", content: "2" },
    ]);
    expect((await put("box", "/a", sly)).status).toBe(200);
    expect(await content("box", "/home/there")).toBe("2");
    const climbing = await put("box", "/a", tar([{ name: "../../up", content: "3" }]));
    expect(climbing.status).toBe(400);
    expect(await Bun.file("/home/there").exists()).toBe(false);
  });

  test("compressed archives are taken", async () => {
    const packed = Bun.gzipSync(tar([{ name: "zipped", content: "z" }]) as Uint8Array<ArrayBuffer>);
    expect((await put("box", "/home", packed)).status).toBe(200);
    expect(await content("box", "/home/zipped")).toBe("z");
  });

  test("what is refused", async () => {
    const one = tar([{ name: "f", content: "1" }]);
    expect(await put("box", "/nothing", one)).toMatchObject({ status: 404 });
    expect((await put("box", "/a/b/f", one)).json.message).toBe("extraction point is not a directory");
    expect((await put("stopped", "/locked", one)).json.message).toBe("mounted volume is marked read-only");
    expect((await put("box", "/", Buffer.from("this is no tar archive at all".repeat(40)))).status).toBe(400);
    const overDirectory = await put(
      "box",
      "/a",
      tar([{ name: "b", content: "1" }]),
      "&noOverwriteDirNonDir=1",
    );
    expect(overDirectory.json.message).toContain('cannot overwrite directory "b" with non-directory "b"');
    expect(
      (await put("box", "/a", tar([{ name: "b/", type: "5" }]), "&noOverwriteDirNonDir=true")).status,
    ).toBe(200);
    await on.api("POST", "/containers/create?name=readonly", {
      Image: "busybox",
      HostConfig: { ReadonlyRootfs: true, Binds: ["vol:/vol"] },
    });
    expect((await put("readonly", "/", one)).json.message).toBe("container rootfs is marked read-only");
    expect((await put("readonly", "/vol", one)).status).toBe(200);
  });

  test("copyUIDGID gives everything to the container's user", async () => {
    await on.api("POST", "/containers/create?name=owned", { Image: "busybox", User: "www-data" });
    const archive = tar([
      { name: "o/", type: "5", uid: 5 },
      { name: "o/f", content: "", uid: 5, gid: 5 },
    ]);
    expect((await put("owned", "/home", archive, "&copyUIDGID=true")).status).toBe(200);
    const answer = await on.raw("GET", "/containers/owned/archive?path=/home/o");
    const listed = await run(["tar", "--numeric-owner", "-tvf", "-"], {
      stdin: new Uint8Array(await answer.arrayBuffer()),
    });
    expect(listed.stdout.match(/33\/33/g)).toHaveLength(2);
    // Without a user of its own the archive's owners stay.
    await on.api("POST", "/containers/create?name=ownerless", { Image: "busybox" });
    expect((await put("ownerless", "/home", archive, "&copyUIDGID=true")).status).toBe(200);
    const kept = await on.raw("GET", "/containers/ownerless/archive?path=/home/o/f");
    const one = await run(["tar", "--numeric-owner", "-tvf", "-"], {
      stdin: new Uint8Array(await kept.arrayBuffer()),
    });
    expect(one.stdout).toContain("5/5");
  });

  test("nothing stays open or mounted", async () => {
    const open = () =>
      Array.from(new Bun.Glob("*").scanSync({ cwd: `/proc/${on.engine.pid()}/fd`, onlyFiles: false })).length;
    const before = open();
    for (let i = 0; i < 20; i++) {
      await names("stopped", "/vol");
      await put("stopped", "/vol", tar([{ name: "again", content: String(i) }]));
      const left = await on.raw("GET", "/containers/box/archive?path=/");
      await left.body?.cancel();
      await stat("stopped", "/");
    }
    expect(open()).toBeLessThan(before + 10);
    const mounts = await Bun.file(`/proc/${on.engine.pid()}/mountinfo`).text();
    const overlays = mounts.split("\n").filter((line) => line.includes(`upperdir=${on.engine.dataRoot}`));
    // The running container's.
    expect(overlays).toHaveLength(1);
  });
});
