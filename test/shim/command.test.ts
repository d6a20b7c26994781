// The shim's command line, without containers.
import { describe, expect, test } from "bun:test";
import { mountArguments } from "../../ffi/mount-flags.ts";
import { parseFlags } from "../../src/roles/shim/flags.ts";
import { childEnvironment, selfCommand } from "../../src/self.ts";
import { shortened } from "../../src/wire/containerd/mounting.ts";
import { decode, encode } from "../../src/wire/ttrpc/codec.ts";
import { RuntimeInfo, RuntimeRequest } from "../../src/wire/ttrpc/messages/types.ts";
import { shimSocket } from "../../src/wire/ttrpc/shim-address.ts";

async function shim(args: string[], stdin: Uint8Array = new Uint8Array()) {
  const { cmd, argv0 } = selfCommand("containerd-shim-bunker-v2");
  const child = Bun.spawn([...cmd, ...args], {
    argv0,
    env: childEnvironment(),
    stdin,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.bytes(), new Response(child.stderr).text()]);
  return { code: await child.exited, stdout, text: new TextDecoder().decode(stdout), stderr };
}

describe("flags", () => {
  test("Go's forms, the action last", () => {
    expect(
      parseFlags([
        "-namespace",
        "moby",
        "--id=x",
        "-address",
        "/a",
        "-publish-binary",
        "b",
        "-debug",
        "-bundle=/c",
        "start",
      ]),
    ).toMatchObject({
      namespace: "moby",
      id: "x",
      address: "/a",
      publishBinary: "b",
      debug: true,
      bundle: "/c",
      action: "start",
    });
    expect(parseFlags(["-debug=false", "-id", "-x"])).toMatchObject({ debug: false, id: "-x", action: "" });
    expect(() => parseFlags(["-nosuch"])).toThrow("flag provided but not defined: -nosuch");
    expect(() => parseFlags(["-id"])).toThrow("flag needs an argument: -id");
  });

  test("usage errors, -v, -info", async () => {
    expect(await shim(["-nosuch"])).toMatchObject({
      code: 2,
      stderr: "flag provided but not defined: -nosuch\n",
    });
    expect(await shim(["-id", "x", "start"])).toMatchObject({ code: 1 });
    expect((await shim(["-namespace", "n", "-id", "../x", "start"])).stderr).toContain("identifier");
    expect((await shim(["-namespace", "n", "-id", "x", "dance"])).stderr).toContain('unknown action "dance"');
    expect((await shim(["-v"])).text).toMatch(/^containerd-shim-bunker-v2:\n {2}Version: /);
    const info = await shim(["-info"], encode(RuntimeRequest, { runtimePath: "x" }));
    expect(decode(RuntimeInfo, info.stdout)).toMatchObject({ name: "io.containerd.bunker.v2" });
  });
});

describe("addresses and mounts", () => {
  test("a socket's path fits into sun_path, whatever the directory", () => {
    expect(shimSocket("/run/containerd/containerd.sock", "moby", "a")).toMatch(
      /^\/run\/containerd\/s\/[0-9a-f]{64}$/,
    );
    expect(shimSocket(`/tmp/${"x".repeat(60)}/c.sock`, "moby", "a")).toMatch(
      /^\/run\/containerd\/s\/[0-9a-f]{64}$/,
    );
    expect(shimSocket("unix:///r/c.sock", "n", "a")).toBe(shimSocket("/r/c.sock", "n", "a"));
    expect(shimSocket("/r/c.sock", "n", "a")).not.toBe(shimSocket("/r/c.sock", "n", "b"));
  });

  test("mount options: flags and data", () => {
    expect(mountArguments(["ro", "nosuid", "lowerdir=/a", "index=off"])).toEqual({
      flags: 3,
      data: "lowerdir=/a,index=off",
    });
    expect(mountArguments(["rbind", "ro", "rw"])).toEqual({ flags: 4096 | 16384, data: "" });
  });

  test("a long lowerdir is made relative to the layers' common directory", () => {
    expect(shortened("index=off,lowerdir=/r/s/11/fs:/r/s/2/fs,upperdir=/u")).toEqual({
      directory: "/r/s",
      data: "index=off,lowerdir=11/fs:2/fs,upperdir=/u",
    });
    expect(shortened("lowerdir=/a:/b")).toBeUndefined();
    expect(shortened("size=1k")).toBeUndefined();
  });
});
