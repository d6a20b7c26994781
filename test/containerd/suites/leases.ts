import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { withLease } from "../../../src/wire/containerd/lease.ts";
import { bytesOf, digestOf, type Ground, type Open, put, refusal } from "./ground.ts";

export function leasesSuite(how: string, open: Open): void {
  describe(`leases, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());
    const collected = async (ns: string) => {
      // A deletion that is waited for runs the collector.
      const { id } = await on.services.leases.create(ns, "");
      await on.services.leases.delete(ns, id, { sync: true });
    };

    test("are created, named, listed and deleted", async () => {
      const { leases } = on.services;
      expect(await leases.create("l", "mine", { a: "b" })).toMatchObject({ id: "mine", labels: { a: "b" } });
      expect((await refusal(leases.create("l", "mine"), "AlreadyExists")).message).toBe(
        'lease "mine": already exists',
      );
      expect((await leases.create("l", "")).id).toMatch(/^\d+-[\w-]{4}$/);
      expect((await leases.list("l", ["id==mine"])).map(({ id }) => id)).toEqual(["mine"]);
      expect((await leases.list("l")).length).toBe(2);
      await leases.delete("l", "mine");
      await refusal(leases.delete("l", "mine"), "NotFound");
    });

    test("resources are added, listed and taken out", async () => {
      const { leases } = on.services;
      await leases.create("r", "x");
      const blob = { id: digestOf("b"), type: "content" };
      const snapshot = { id: "key", type: "snapshots/overlayfs" };
      await leases.addResource("r", "x", blob);
      await leases.addResource("r", "x", snapshot);
      await leases.addResource("r", "x", snapshot);
      expect(await leases.listResources("r", "x")).toEqual([blob, snapshot]);
      await leases.deleteResource("r", "x", blob);
      expect(await leases.listResources("r", "x")).toEqual([snapshot]);
      await refusal(leases.addResource("r", "x", { id: "k", type: "moons" }), "Unimplemented");
      await refusal(leases.addResource("r", "x", { id: "k", type: "snapshots" }), "InvalidArgument");
      await refusal(leases.addResource("r", "nope", blob), "NotFound");
      await refusal(leases.listResources("r", "nope"), "NotFound");
    });

    test("keep what is made under them, and free it with their end", async () => {
      const { leases, content } = on.services;
      const snapshots = on.services.snapshots.snapshotter("");
      await leases.create("k", "holder");
      await withLease("holder", async () => {
        await put(on.services, "k", "held");
        await snapshots.prepare("k", "p", "");
        await snapshots.commit("k", "layer", "p");
      });
      const loose = await put(on.services, "k", "loose");
      expect(await leases.listResources("k", "holder")).toEqual([
        { id: digestOf("held"), type: "content" },
        { id: "layer", type: "snapshots/overlayfs" },
      ]);
      await collected("k");
      expect((await content.list("k")).map(({ digest }) => digest)).toEqual([digestOf("held")]);
      await refusal(content.info("k", loose), "NotFound");
      expect((await snapshots.list("k")).map(({ name }) => name)).toEqual(["layer"]);
      await leases.delete("k", "holder", { sync: true });
      expect(await content.list("k")).toEqual([]);
      expect(await snapshots.list("k")).toEqual([]);
      await refusal(
        withLease("gone", () => put(on.services, "k", "x")),
        "NotFound",
      );
    });

    test("keep an ingest's blob when it is committed", async () => {
      const { leases, content } = on.services;
      await leases.create("i", "holder");
      await withLease("holder", async () => {
        const writer = await content.writer("i", "ref");
        await writer.write(bytesOf("bytes"));
        await writer.commit(5, undefined);
      });
      expect(await leases.listResources("i", "holder")).toEqual([{ id: digestOf("bytes"), type: "content" }]);
    });

    test("that have expired hold nothing", async () => {
      const { leases, content } = on.services;
      const past = new Date(Date.now() - 1000).toISOString();
      await leases.create("e", "old", { "containerd.io/gc.expire": past });
      const digest = await put(on.services, "e", "expired");
      await leases.addResource("e", "old", { id: digest, type: "content" }).catch(() => {});
      await collected("e");
      expect(await content.list("e")).toEqual([]);
      expect(await leases.list("e")).toEqual([]);
      // Where the real one takes a lease that never ends.
      if (on.real) return;
      await refusal(leases.create("e", "bad", { "containerd.io/gc.expire": "soon" }), "InvalidArgument");
    });
  });
}
