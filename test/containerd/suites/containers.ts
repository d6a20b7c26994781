import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { bytesOf, type Ground, type Open, refusal } from "./ground.ts";

const record = (id: string) => ({
  id,
  labels: { app: "x" },
  image: "docker.io/library/busybox:latest",
  runtime: {
    name: "io.containerd.bunker.v2",
    options: { typeUrl: "containerd.runc.v1.Options", value: bytesOf("\x01\x00\xff") },
  },
  spec: { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", value: bytesOf('{"a":1}') },
  snapshotter: "overlayfs",
  snapshotKey: id,
  extensions: { "x.y": { typeUrl: "t", value: bytesOf("\x00\x01") } },
});

export function containersSuite(how: string, open: Open): void {
  describe(`containers, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());

    test("come back as they were given", async () => {
      const { containers } = on.services;
      const made = await containers.create("moby", record("c1"));
      const { createdAt, updatedAt, ...rest } = await containers.get("moby", "c1");
      expect(rest).toEqual(record("c1"));
      expect(made).toEqual({ ...rest, createdAt, updatedAt });
      expect(createdAt).toEqual(updatedAt);
      const error = await refusal(containers.create("moby", record("c1")), "AlreadyExists");
      expect(error.message).toBe('container "c1": already exists');
      await refusal(containers.get("other", "c1"), "NotFound");
    });

    test("are listed by filter", async () => {
      const { containers } = on.services;
      await containers.create("list", record("a"));
      await containers.create("list", { ...record("b"), labels: { "io.x/y": "1" }, image: "i" });
      const ids = async (...filters: string[]) =>
        (await containers.list("list", filters)).map(({ id }) => id);
      expect(await ids()).toEqual(["a", "b"]);
      expect(await ids("id==b")).toEqual(["b"]);
      expect(await ids('labels."io.x/y"==1')).toEqual(["b"]);
      expect(await ids("image!=i,id")).toEqual(["a"]);
      expect(await ids("runtime.name==io.containerd.bunker.v2")).toEqual(["a", "b"]);
    });

    test("are updated by field; what defines them stays", async () => {
      const { containers } = on.services;
      await containers.create("up", record("u"));
      const labelled = await containers.update("up", { id: "u", labels: { app: "", add: "1" } }, [
        "labels.app",
        "labels.add",
      ]);
      expect(labelled.labels).toEqual({ add: "1" });
      const extended = await containers.update(
        "up",
        { id: "u", extensions: { more: { typeUrl: "m", value: bytesOf("m") } } },
        ["extensions.more"],
      );
      expect(Object.keys(extended.extensions).sort()).toEqual(["more", "x.y"]);
      const spec = { typeUrl: "t", value: bytesOf("new") };
      expect((await containers.update("up", { id: "u", spec }, ["spec"])).spec).toEqual(spec);
      await refusal(containers.update("up", { id: "u" }, ["runtime.name"]), "InvalidArgument");
      await refusal(containers.update("up", { id: "nope" }, ["labels"]), "NotFound");
    });

    test("what is no container is refused, and nothing is left of it", async () => {
      const { containers } = on.services;
      const bad = (one: Parameters<typeof containers.create>[1]) =>
        refusal(containers.create("bad", one), "InvalidArgument");
      await bad({ ...record("x"), id: "a/b" });
      await bad({ ...record("x"), id: "" });
      await bad({ ...record("x"), runtime: { name: "" } });
      await bad({ ...record("x"), snapshotter: "" });
      // The real one does not look into it.
      if (!on.real) await bad({ ...record("x"), spec: { typeUrl: "", value: new Uint8Array() } });
      expect(await containers.list("bad")).toEqual([]);
    });

    test("are deleted once", async () => {
      const { containers } = on.services;
      await containers.create("del", record("d"));
      await containers.delete("del", "d");
      const error = await refusal(containers.delete("del", "d"), "NotFound");
      expect(error.message).toBe("container d: not found");
    });
  });
}
