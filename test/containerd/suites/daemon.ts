import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { version } from "../../../src/version.ts";
import { type Ground, type Open, refusal } from "./ground.ts";

export function daemonSuite(how: string, open: Open): void {
  describe(`version, introspection and tasks at rest, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());

    test("it says what it is", async () => {
      expect((await on.services.version.version()).version).toStartWith(version);
      const server = await on.services.introspection.server();
      expect(server.pid).toBe(process.pid);
      expect(`pid:[${server.pidns}]`).toBe(readlinkSync("/proc/self/ns/pid"));
      expect(await on.services.introspection.server()).toEqual(server);
      const [overlay] = await on.services.introspection.plugins(["type==io.containerd.snapshotter.v1"]);
      expect(overlay).toMatchObject({ id: "overlayfs", platforms: [{ os: "linux" }] });
    });

    test("without tasks there are none", async () => {
      const { tasks } = on.services;
      expect(await tasks.list("moby")).toEqual([]);
      await refusal(tasks.get("moby", "nope"), "NotFound");
      await refusal(tasks.kill("moby", "nope", 9), "NotFound");
      await refusal(tasks.wait("moby", "nope"), "NotFound");
    });
  });
}
