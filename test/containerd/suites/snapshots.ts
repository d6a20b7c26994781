import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ground, type Open, refusal } from "./ground.ts";

export function snapshotsSuite(how: string, open: Open): void {
  describe(`snapshots, ${how}`, () => {
    let on: Ground;
    beforeAll(async () => {
      on = await open();
    });
    afterAll(() => on.close());
    const overlay = () => on.services.snapshots.snapshotter("overlayfs");
    const directory = () => join(on.root, "io.containerd.snapshotter.v1.overlayfs", "snapshots");
    const option = (options: string[], name: string) =>
      options.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);

    test("layers are prepared, committed and stacked as containerd mounts them", async () => {
      const s = overlay();
      const [first] = await s.prepare("moby", "extract-1", "");
      expect(first).toMatchObject({ type: "bind", options: ["rw", "rbind"] });
      expect(first!.source).toMatch(/\/snapshots\/\d+\/fs$/);
      writeFileSync(join(first!.source, "file"), "x".repeat(5000));
      await s.commit("moby", "layer-1", "extract-1", { "containerd.io/snapshot/overlayfs.x": "y" });
      await refusal(s.stat("moby", "extract-1"), "NotFound");
      expect(await s.stat("moby", "layer-1")).toMatchObject({
        name: "layer-1",
        parent: "",
        kind: "Committed",
        labels: { "containerd.io/snapshot/overlayfs.x": "y" },
      });
      const usage = await s.usage("moby", "layer-1");
      expect(usage.inodes).toBe(2);
      expect(usage.size).toBeGreaterThanOrEqual(5000);

      const [second] = await s.prepare("moby", "extract-2", "layer-1");
      expect(second).toMatchObject({ type: "overlay", source: "overlay" });
      expect(option(second!.options, "lowerdir")).toBe(first!.source);
      expect(statSync(option(second!.options, "workdir")!).mode & 0o777).toBe(0o711);
      await s.commit("moby", "layer-2", "extract-2");
      const [third] = await s.prepare("moby", "rw", "layer-2");
      expect(option(third!.options, "lowerdir")).toBe(
        [option(second!.options, "upperdir"), first!.source].join(":"),
      );
      expect(await s.mounts("moby", "rw")).toEqual([third!]);

      const [view] = await s.view("moby", "ro-1", "layer-1");
      expect(view).toEqual({ type: "bind", source: first!.source, options: ["ro", "rbind"] });
      const [views] = await s.view("moby", "ro-2", "layer-2");
      expect(views!.type).toBe("overlay");
      expect(option(views!.options, "upperdir")).toBeUndefined();
      expect((await s.view("moby", "ro-0", ""))[0]!.options).toEqual(["ro", "rbind"]);
    });

    test("the order of a snapshot's life is kept", async () => {
      const s = overlay();
      await s.prepare("life", "a", "");
      expect((await refusal(s.prepare("life", "a", ""), "AlreadyExists")).message).toBe(
        'snapshot "a": already exists',
      );
      await refusal(s.prepare("life", "b", "nope"), "NotFound");
      await refusal(s.prepare("life", "b", "a"), "InvalidArgument");
      await s.commit("life", "base", "a");
      await refusal(s.commit("life", "again", "base"), "FailedPrecondition");
      await refusal(s.mounts("life", "base"), "FailedPrecondition");
      await s.prepare("life", "child", "base");
      await refusal(s.commit("life", "base", "child"), "AlreadyExists");
      expect((await refusal(s.remove("life", "base"), "FailedPrecondition")).message).toContain(
        "cannot remove snapshot with child",
      );
      await s.view("life", "view", "base");
      await refusal(s.commit("life", "x", "view"), "FailedPrecondition");
      for (const key of ["view", "child", "base"]) await s.remove("life", key);
      expect(await s.list("life")).toEqual([]);
      expect((await refusal(s.remove("life", "base"), "NotFound")).message).toBe(
        "snapshot base does not exist: not found",
      );
    });

    test("a removed snapshot's directory is gone, and its number is not used again", async () => {
      const s = overlay();
      const numbers = () => readdirSync(directory()).filter((name) => /^\d+$/.test(name));
      const before = new Set(numbers());
      await s.prepare("numbers", "one", "");
      const [made] = numbers().filter((name) => !before.has(name));
      await s.remove("numbers", "one");
      // The real one's collector does that.
      if (on.real) return;
      expect(existsSync(join(directory(), made!))).toBe(false);
      await s.prepare("numbers", "two", "");
      expect(numbers()).not.toContain(made!);
    });

    test("are listed by filter, per namespace, and labelled", async () => {
      const s = overlay();
      await s.prepare("list", "p", "", { app: "1" });
      await s.commit("list", "c", "p", { app: "1" });
      await s.prepare("list", "d", "c");
      const names = async (...filters: string[]) => (await s.list("list", filters)).map(({ name }) => name);
      expect(await names("kind==committed")).toEqual(["c"]);
      expect(await names("parent==c")).toEqual(["d"]);
      expect(await names("labels.app==1")).toEqual(["c"]);
      expect((await s.update("list", { name: "d", labels: { x: "y" } }, ["labels.x"])).labels).toEqual({
        x: "y",
      });
      expect(await s.list("elsewhere")).toEqual([]);
      await refusal(s.stat("elsewhere", "c"), "NotFound");
      await refusal(s.prepare("elsewhere", "d", "c"), "NotFound");
    });

    test("the root directory of a child belongs to whom its parent's does", async () => {
      const s = overlay();
      const [base] = await s.prepare("owner", "b", "");
      const { chownSync } = await import("node:fs");
      chownSync(base!.source, 1234, 5678);
      await s.commit("owner", "base", "b");
      const [child] = await s.prepare("owner", "c", "base");
      const { uid, gid } = statSync(option(child!.options, "upperdir")!);
      expect([uid, gid]).toEqual([1234, 5678]);
    });

    test("an unknown snapshotter is refused", async () => {
      const call = Promise.resolve().then(() => on.services.snapshots.snapshotter("zfs").list("moby"));
      expect((await refusal(call, "InvalidArgument")).message).toContain("snapshotter not loaded: zfs");
    });
  });
}
