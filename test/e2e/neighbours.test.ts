// The real programs beside and below our engine: ctr on its containerd socket, runc and crun as its runtimes.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Server } from "bun";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { hostNetwork } from "../support/netns.ts";
import { must } from "../support/process.ts";
import { fakeRegistry } from "../support/registry-fake.ts";
import { tar } from "../support/tar.ts";

const missing = ["/bin/busybox", "/usr/bin/ctr", "/usr/sbin/runc", "/usr/bin/crun"].find(
  (path) => !existsSync(path),
);
const why = !built ? "dist/bunker is not built" : missing ? `${missing} is not installed` : undefined;

describe.skipIf(why !== undefined)(why ? `neighbours (skipped: ${why})` : "neighbours", () => {
  let engine: Engine;
  let registry: Server<undefined>;
  let image = "";

  beforeAll(async () => {
    registry = fakeRegistry({
      busybox: {
        layer: tar([
          { name: "bin/", type: "5" },
          { name: "bin/busybox", content: readFileSync("/bin/busybox"), mode: 0o755 },
          { name: "bin/sh", type: "1", link: "bin/busybox", mode: 0o755 },
          { name: "bin/sleep", type: "1", link: "bin/busybox", mode: 0o755 },
        ]),
      },
    });
    image = `127.0.0.1:${registry.port}/busybox`;
    engine = await startEngine(hostNetwork, {
      args: [
        "--bridge=none",
        "--add-runtime",
        "real-runc=/usr/sbin/runc",
        "--add-runtime",
        "crun=/usr/bin/crun",
      ],
      // crun 1.8 refuses hosts that have cgroup v1 and v2 side by side: this daemon does not see the second.
      behind: [
        "unshare",
        "--mount",
        "--propagation=private",
        "sh",
        "-c",
        'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"',
        "sh",
      ],
    });
  }, 60_000);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await registry?.stop(true);
  }, 60_000);

  const ctr = (...args: string[]) =>
    must(["ctr", "-a", join(engine.execRoot, "containerd", "containerd.sock"), ...args]);

  test("real ctr answers truthfully about the engine's containers", async () => {
    const started = await engine.docker(["run", "-d", "--name", "seen", image, "sleep", "1000"]);
    expect(started).toMatchObject({ code: 0 });
    const id = started.stdout.trim();
    const pid = (await engine.docker(["inspect", "-f", "{{.State.Pid}}", "seen"])).stdout.trim();
    expect(await ctr("version")).toContain("Server:");
    expect(await ctr("namespaces", "ls")).toMatch(/^moby\b/m);
    expect(await ctr("-n", "moby", "containers", "ls", "-q")).toBe(`${id}\n`);
    expect(await ctr("-n", "moby", "tasks", "ls")).toMatch(new RegExp(`^${id}\\s+${pid}\\s+RUNNING`, "m"));
    expect(await ctr("-n", "moby", "images", "ls", "-q")).toContain(`${image}:latest`);
    expect(await ctr("containers", "ls", "-q")).toBe("");
    await engine.docker(["rm", "-f", "seen"]);
    expect(await ctr("-n", "moby", "tasks", "ls", "-q")).toBe("");
  });

  test.each(["runc", "real-runc", "crun"])("%s runs the whole life of a container", async (runtime) => {
    const ran = await engine.docker([
      "run",
      "--rm",
      "--runtime",
      runtime,
      image,
      "sh",
      "-c",
      "echo from $0; exit 3",
      runtime,
    ]);
    expect(ran).toMatchObject({ code: 3, stdout: `from ${runtime}\n` });
    const started = await engine.docker([
      "run",
      "-d",
      "--runtime",
      runtime,
      "--name",
      `by-${runtime}`,
      image,
      "sleep",
      "1000",
    ]);
    expect(started).toMatchObject({ code: 0 });
    expect((await engine.docker(["exec", `by-${runtime}`, "sh", "-c", "echo inside"])).stdout).toBe(
      "inside\n",
    );
    expect((await engine.docker(["stop", "-t", "1", `by-${runtime}`])).code).toBe(0);
    expect((await engine.docker(["rm", `by-${runtime}`])).code).toBe(0);
  });
});
