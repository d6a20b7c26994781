import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, claim, digestOf, type Ground, type Open, put } from "./ground.ts";

export function gcSuite(how: string, open: Open): void {
  describe(`garbage collection, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());

    test("an image keeps what its labels lead to, and its removal frees all of it", async () => {
      const { content, images, leases } = on.services;
      const snapshots = on.services.snapshots.snapshotter("");
      await leases.create("moby", "pull");
      const holding = { id: "", type: "" };
      const keep = async (type: string, id: string) =>
        leases.addResource("moby", "pull", { ...holding, type, id });
      for (const text of ["layer", "config", "manifest", "root"]) await keep("content", digestOf(text));
      for (const key of ["p1", "chain-1", "p2", "chain-2"]) await keep("snapshots/overlayfs", key);
      await snapshots.prepare("moby", "p1", "");
      await snapshots.commit("moby", "chain-1", "p1");
      await snapshots.prepare("moby", "p2", "chain-1");
      await snapshots.commit("moby", "chain-2", "p2");
      await put(on.services, "moby", "layer");
      await put(on.services, "moby", "config", { "containerd.io/gc.ref.snapshot.overlayfs": "chain-2" });
      await put(on.services, "moby", "manifest", {
        "containerd.io/gc.ref.content.config": digestOf("config"),
        "containerd.io/gc.ref.content.l.0": digestOf("layer"),
      });
      await put(on.services, "moby", "root", { "containerd.io/gc.root": "now" });
      const target = { mediaType: "m", digest: digestOf("manifest"), size: 8 };
      await images.create("moby", { name: "i", labels: {}, target });
      await leases.delete("moby", "pull", { sync: true });
      expect((await content.list("moby")).length).toBe(4);
      expect((await snapshots.list("moby")).length).toBe(2);

      await images.delete("moby", "i", { sync: true });
      expect((await content.list("moby")).map(({ digest }) => digest)).toEqual([digestOf("root")]);
      expect(await snapshots.list("moby")).toEqual([]);
      const left = readdirSync(join(on.root, "io.containerd.snapshotter.v1.overlayfs", "snapshots"));
      expect(left).toEqual([]);
    });

    test("a container keeps its snapshot and what that stands on", async () => {
      const { containers, images } = on.services;
      const snapshots = on.services.snapshots.snapshotter("");
      await snapshots.prepare("c", "p", "");
      await snapshots.commit("c", "base", "p");
      await snapshots.prepare("c", "box", "base");
      await containers.create("c", {
        id: "box",
        labels: {},
        image: "",
        runtime: { name: "r" },
        spec: { typeUrl: "t", value: bytesOf("{}") },
        snapshotter: "overlayfs",
        snapshotKey: "box",
        extensions: {},
      });
      const target = { mediaType: "m", digest: digestOf("x"), size: 1 };
      await images.create("c", { name: "i", labels: {}, target });
      await images.delete("c", "i", { sync: true });
      expect((await snapshots.list("c")).map(({ name }) => name)).toEqual(["base", "box"]);
    });

    test("a blob of one namespace is none of another's business", async () => {
      const { content, images, leases } = on.services;
      const digest = await put(on.services, "n1", "both");
      const target = { mediaType: "m", digest, size: 4 };
      await images.create("n1", { name: "i", labels: {}, target });
      await claim(content, "n2", digest);
      const { id } = await leases.create("n2", "");
      await leases.delete("n2", id, { sync: true });
      expect(await content.list("n2")).toEqual([]);
      expect((await content.info("n1", digest)).size).toBe(4);
    });
  });
}
