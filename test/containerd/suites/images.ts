import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { digestOf, type Ground, type Open, refusal } from "./ground.ts";

const target = (text: string) => ({
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  digest: digestOf(text),
  size: text.length,
});

export function imagesSuite(how: string, open: Open): void {
  describe(`images, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());

    test("are created, found, listed by filter and refused twice", async () => {
      const { images } = on.services;
      const name = "docker.io/library/busybox:latest";
      const made = await images.create("moby", {
        name,
        labels: { "a.b": "c" },
        target: { ...target("one"), annotations: { note: "x" } },
      });
      expect(made.target).toEqual({ ...target("one"), annotations: { note: "x" } });
      expect(made.createdAt.getTime()).toBeGreaterThan(Date.now() - 60_000);
      expect(await images.get("moby", name)).toEqual(made);
      await images.create("moby", { name: "other:1", labels: {}, target: target("two") });
      const names = async (...filters: string[]) =>
        (await images.list("moby", filters)).map((image) => image.name);
      expect(await names()).toEqual([name, "other:1"]);
      expect(await names(`name==${name}`)).toEqual([name]);
      expect(await names('labels."a.b"==c')).toEqual([name]);
      expect(await names("name~=^other")).toEqual(["other:1"]);
      expect(await names(`target.digest==${digestOf("two")}`)).toEqual(["other:1"]);
      expect(await names("name==other:1", 'labels."a.b"')).toEqual([name, "other:1"]);
      await refusal(
        images.list("moby", ["name=="]).then(() => images.list("moby", ["=="])),
        "InvalidArgument",
      );
      const error = await refusal(
        images.create("moby", { name, labels: {}, target: target("x") }),
        "AlreadyExists",
      );
      expect(error.message).toBe(`image "${name}": already exists`);
    });

    test("move to another target, wholly or by field", async () => {
      const { images } = on.services;
      await images.create("moby", { name: "moves", labels: { old: "1" }, target: target("a") });
      const moved = await images.update("moby", { name: "moves", labels: {}, target: target("b") }, [
        "target",
      ]);
      expect(moved.target.digest).toBe(digestOf("b"));
      expect(moved.labels).toEqual({ old: "1" });
      const replaced = await images.update("moby", {
        name: "moves",
        labels: { new: "2" },
        target: target("c"),
      });
      expect(replaced.labels).toEqual({ new: "2" });
      expect(replaced.target.digest).toBe(digestOf("c"));
      await refusal(images.update("moby", { name: "nope", labels: {}, target: target("c") }), "NotFound");
    });

    test("what is no image is refused", async () => {
      const { images } = on.services;
      const bad = (image: Parameters<typeof images.create>[1]) =>
        refusal(images.create("moby", image), "InvalidArgument");
      await bad({ name: "", labels: {}, target: target("x") });
      await bad({ name: "x", labels: {}, target: { ...target("x"), digest: "sha256:../../etc" } });
      await bad({ name: "x", labels: {}, target: { ...target("x"), size: 0 } });
      await bad({ name: "x", labels: {}, target: { ...target("x"), mediaType: "" } });
    });

    test("of two namespaces never meet", async () => {
      const { images } = on.services;
      await images.create("one", { name: "same", labels: {}, target: target("1") });
      await refusal(images.get("two", "same"), "NotFound");
      await images.create("two", { name: "same", labels: {}, target: target("2") });
      await images.delete("one", "same", { sync: true });
      expect((await images.get("two", "same")).target.digest).toBe(digestOf("2"));
      const error = await refusal(images.delete("one", "same"), "NotFound");
      expect(error.message).toBe('image "same": not found');
    });
  });
}
