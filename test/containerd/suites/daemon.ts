import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { version } from "../../../src/version.ts";
import type { Ground, Open } from "./ground.ts";

export function daemonSuite(how: string, open: Open): void {
  describe(`version and introspection, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());

    test("it says what it is", async () => {
      const said = (await on.services.version.version()).version;
      const server = await on.services.introspection.server();
      if (on.real) expect(said).toMatch(/^\d+\.\d+\.\d+/);
      else {
        expect(said).toStartWith(version);
        expect(server.pid).toBe(process.pid);
        expect(`pid:[${server.pidns}]`).toBe(readlinkSync("/proc/self/ns/pid"));
      }
      expect(server.uuid).toMatch(/^[0-9a-f-]{36}$/);
      expect(await on.services.introspection.server()).toEqual(server);
      const [overlay] = await on.services.introspection.plugins([
        "type==io.containerd.snapshotter.v1,id==overlayfs",
      ]);
      expect(overlay).toMatchObject({ id: "overlayfs", platforms: [{ os: "linux" }] });
    });
  });
}
