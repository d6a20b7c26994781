import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Ground, type Open, put, refusal } from "./ground.ts";

export function namespacesSuite(how: string, open: Open): void {
  describe(`namespaces, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());

    test("are created with labels, listed in order, and refused twice", async () => {
      const { namespaces } = on.services;
      expect(await namespaces.create({ name: "b", labels: { k: "v" } })).toEqual({
        name: "b",
        labels: { k: "v" },
      });
      await namespaces.create({ name: "a", labels: {} });
      expect((await namespaces.list()).map(({ name }) => name)).toEqual(["a", "b"]);
      expect((await namespaces.get("b")).labels).toEqual({ k: "v" });
      const error = await refusal(namespaces.create({ name: "b", labels: {} }), "AlreadyExists");
      expect(error.message).toBe('namespace "b": already exists');
    });

    test("labels are replaced one by one or all together; an empty value takes one away", async () => {
      const { namespaces } = on.services;
      await namespaces.create({ name: "labels", labels: { keep: "1", drop: "2" } });
      const labelled = async (...update: Parameters<typeof namespaces.update>) => {
        const { labels } = await namespaces.update(...update);
        const found = (await namespaces.get("labels")).labels;
        // 1.6 answers without them.
        if (!on.real) expect(labels).toEqual(found);
        return found;
      };
      const one = { name: "labels", labels: { drop: "", add: "3" } };
      expect(await labelled(one, ["labels.drop", "labels.add"])).toEqual({ keep: "1", add: "3" });
      expect(await labelled({ name: "labels", labels: { only: "4" } })).toEqual({ only: "4" });
      // The real one makes it, and takes any path.
      if (on.real) return;
      await refusal(namespaces.update({ name: "nope", labels: {} }), "NotFound");
      await refusal(namespaces.update({ name: "labels", labels: {} }, ["name"]), "InvalidArgument");
    });

    test("names and labels are checked", async () => {
      const { namespaces } = on.services;
      for (const name of ["", "-x", "a b", "a/b", "x".repeat(77)]) {
        await refusal(namespaces.create({ name, labels: {} }), "InvalidArgument");
      }
      await refusal(namespaces.create({ name: "big", labels: { k: "v".repeat(4096) } }), "InvalidArgument");
    });

    test("come with the first thing in them and go only when they are empty", async () => {
      const { namespaces, content } = on.services;
      const digest = await put(on.services, "implied", "something");
      expect((await namespaces.list()).map(({ name }) => name)).toContain("implied");
      const error = await refusal(namespaces.delete("implied"), "FailedPrecondition");
      expect(error.message).toBe(
        'namespace "implied" must be empty, but it still has blobs: failed precondition',
      );
      await content.delete("implied", digest);
      await namespaces.delete("implied");
      expect((await namespaces.list()).map(({ name }) => name)).not.toContain("implied");
      // As containerd answers: dockerd asks for its namespace's labels before there is such a namespace.
      expect(await namespaces.get("implied")).toEqual({ name: "implied", labels: {} });
      await refusal(namespaces.delete("implied"), "NotFound");
    });
  });
}
