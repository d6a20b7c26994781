// checkpoint and restore: what criu is told and answers, a host without it, and the whole way where its check succeeds.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeResponse, encodeRequest, REQUEST } from "../../src/roles/runtime/criu/rpc.ts";
import { Ground, unable, until } from "./ground.ts";

const it = test.skipIf(unable !== "");
const works = !unable && Bun.which("criu") !== null && Bun.spawnSync(["criu", "check"]).exitCode === 0;
const whyNot = works ? "" : unable || "criu is not installed, or cannot work with this kernel";

test("requests and answers are criu's protobuf", () => {
  const bytes = encodeRequest({
    type: REQUEST.dump,
    options: {
      imagesDirFd: 5,
      leaveRunning: true,
      root: "/r",
      extMnt: [["/a", "/b"]],
      external: ["net[7]:k"],
    },
  });
  const hex = (text: string) => text.replaceAll(" ", "");
  expect(Buffer.from(bytes).toString("hex")).toBe(
    hex("0801 12 1e 0805 1801 6a022f72 ba0108 0a022f61 12022f62 aa0208 6e65745b375d3a6b"),
  );
  expect(decodeResponse(Buffer.from(hex("0802 1001 22 02 082a"), "hex"))).toEqual({
    type: REQUEST.restore,
    success: true,
    restoredPid: 42,
  });
  expect(decodeResponse(Buffer.from(hex("0806 1001 2a 07 0a03616263 1007"), "hex"))).toMatchObject({
    type: REQUEST.notify,
    notify: { script: "abc", pid: 7 },
  });
  expect(decodeResponse(Buffer.from(hex("0801 1000 3810"), "hex"))).toMatchObject({
    success: false,
    errno: 16,
  });
});

describe(`without a criu that works${unable && ` (skipped: ${unable})`}`, () => {
  it("the error says so, and the container goes on", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    const images = join(ground.directory, "images");
    expect((await ground.runc(["checkpoint", ground.id])).err).toContain("container does not exist");
    await ground.ok("create", ground.id);
    expect((await ground.runc(["checkpoint", ground.id])).err).toContain(
      "Container cannot be checkpointed in created state",
    );
    await ground.ok("start", ground.id);
    const checkpoint = (...flags: string[]) =>
      ground.runc(["--criu", "/nosuch/criu", "checkpoint", "--image-path", images, ...flags, ground.id]);
    expect(await checkpoint()).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        'CRIU version check failed: exec: \\"/nosuch/criu\\": executable file not found in $PATH',
      ),
    });
    // A program that ends at once says nothing.
    const mute = await ground.runc(["--criu", "/bin/true", "checkpoint", "--image-path", images, ground.id]);
    expect(mute).toMatchObject({ code: 1, err: expect.stringContaining("log file: ") });
    expect((await checkpoint("--manage-cgroups-mode", "none")).err).toContain("Invalid manage cgroups mode");
    expect((await checkpoint("--empty-ns", "mount")).err).toContain('namespace \\"mount\\" is not supported');
    expect((await checkpoint("--page-server", "x")).err).toContain("Use --page-server ADDRESS:PORT");
    expect((await checkpoint("--parent-path", "/x")).err).toContain("invalid --parent-path");
    expect((await ground.state()).status).toBe("running");
    const restored = await ground.runc([
      ...["--criu", "/nosuch/criu", "restore", "--image-path", images],
      `${ground.id}-r`,
    ]);
    expect(restored.err).toContain("executable file not found in $PATH");
    expect(existsSync(join(ground.root, `${ground.id}-r`))).toBe(false);
  });
});

describe.skipIf(!works)(`with criu${whyNot && ` (skipped: ${whyNot})`}`, () => {
  test("a checkpoint ends the container, a restore goes on where it was", async () => {
    await using ground = new Ground();
    ground.shell("i=0; while :; do i=$((i+1)); echo $i > /tmp/n; sleep 0.1; done", (config) => {
      config.root!.readonly = false;
      config.linux!.namespaces = config.linux!.namespaces!.filter(({ type }) => type !== "network");
    });
    const count = () => Number(readFileSync(join(ground.rootfs, "tmp", "n"), "utf8"));
    const images = join(ground.directory, "images");
    // Pipes, which a restore replaces: a file outside of the container could not be found again.
    const piped = (...args: string[]) =>
      Bun.spawn(ground.command(...args), {
        cwd: ground.bundle,
        stdin: "pipe",
        stdout: "pipe",
        stderr: "pipe",
      });
    const first = piped("run", ground.id);
    await until("its count", () => existsSync(join(ground.rootfs, "tmp", "n")) && count() > 3);
    await ground.ok("checkpoint", "--leave-running", "--image-path", `${images}-kept`, ground.id);
    expect((await ground.state()).status).toBe("running");
    await ground.ok("checkpoint", "--image-path", images, ground.id);
    await first.exited;
    const reached = count();
    expect(ground.leftovers()).toEqual([]);
    const second = piped("restore", "--image-path", images, ground.id);
    await until("its going on", () => count() > reached + 2);
    expect(count()).toBeLessThan(reached + 1000);
    expect((await ground.state()).status).toBe("running");
    await ground.ok("exec", ground.id, "true");
    await ground.ok("kill", ground.id, "KILL");
    expect(await second.exited).toBe(137);
    expect(ground.leftovers()).toEqual([]);
  });
});
