// What lists, histories, removals and prunes make of images that are made from one another, and what /system/df counts.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DANGLING, PARENT_LABEL } from "../../src/roles/engine/images/catalog.ts";
import { engineApp } from "../../src/roles/engine/server/serve.ts";
import type { ImageHistoryItem, ImageInspect, ImageSummary } from "../../src/spec/engine/image.ts";
import type { DiskUsage } from "../../src/spec/engine/system.ts";
import { type FakeEngine, fakeEngine } from "../engine-server/fakes.ts";

describe("images made from images", () => {
  let fake: FakeEngine;
  let call: (path: string, init?: RequestInit) => Promise<Response>;
  /** Ids of base → step → child, of which only the first and the last have a name. */
  let base: string;
  let step: string;
  let child: string;

  beforeEach(async () => {
    fake = await fakeEngine();
    const app = engineApp(fake.engine, { routes: [], hijacks: [] });
    call = async (path, init) => app.request(`http://docker${path}`, init);
    const { containerd } = fake;
    const id = (target: { digest: string }) =>
      JSON.parse(containerd.blobs.get(target.digest)!).config.digest as string;
    const [one, two, three] = [
      containerd.document("base", ["a"]),
      containerd.document("step", ["a", "b"]),
      containerd.document("child", ["a", "b", "c"]),
    ];
    [base, step, child] = [id(one), id(two), id(three)];
    containerd.name("docker.io/library/base:latest", one);
    containerd.name(`${DANGLING}${two.digest}`, two, { [PARENT_LABEL]: base });
    containerd.name("docker.io/library/child:latest", three, { [PARENT_LABEL]: step });
  });
  afterEach(() => fake[Symbol.dispose]());

  const json = async <T>(path: string, init?: RequestInit) => (await (await call(path, init)).json()) as T;
  const message = async (path: string, init?: RequestInit) =>
    (await json<{ message: string }>(path, init)).message;

  test("steps between are shown with all=1 only", async () => {
    const ids = async (query: string) =>
      (await json<ImageSummary[]>(`/images/json${query}`)).map((image) => image.Id).sort();
    expect(await ids("")).toEqual([base, child].sort());
    expect(await ids("?all=1")).toEqual([base, step, child].sort());
    expect(await ids(`?filters={"dangling":["true"]}`)).toEqual([]);
  });

  test("shared sizes count what another image has too", async () => {
    const shown = await json<ImageSummary[]>("/images/json?shared-size=1&all=1");
    const shared = Object.fromEntries(shown.map((image) => [image.Id, image.SharedSize]));
    expect(shared).toEqual({ [base]: 1000, [step]: 2000, [child]: 2000 });
    expect((await json<ImageSummary[]>("/images/json"))[0]!.SharedSize).toBe(-1);
  });

  test("inspect and history name the parents", async () => {
    const inspected = await json<ImageInspect>("/images/child/json");
    expect(inspected.Parent).toBe(step);
    expect(inspected.Descriptor).toMatchObject({ digest: expect.stringMatching(/^sha256:/) });
    expect((await json<ImageInspect>("/v1.47/images/child/json")).Descriptor).toBeUndefined();
    const history = await json<ImageHistoryItem[]>("/images/child/history");
    expect(history.map(({ Id, Tags }) => [Id, Tags])).toEqual([
      [child, ["child:latest"]],
      [step, null],
      [base, ["base:latest"]],
    ]);
  });

  test("manifests=1 tells what is here", async () => {
    const { Manifests } = await json<ImageInspect>("/images/base/json?manifests=1");
    expect(Manifests).toMatchObject([
      { Kind: "image", Available: false, ImageData: { Platform: { os: "linux" }, Containers: [] } },
    ]);
    expect((await json<ImageSummary[]>("/images/json?manifests=1"))[0]!.Manifests).toHaveLength(1);
    expect((await json<ImageSummary[]>("/v1.46/images/json?manifests=1"))[0]!.Manifests).toBeUndefined();
  });

  test("what others are made from cannot be deleted by id, and only loses its name", async () => {
    const short = base.slice(7, 19);
    expect(await message(`/images/${short}?force=1`, { method: "DELETE" })).toBe(
      `conflict: unable to delete ${short} (cannot be forced) - image has dependent child images`,
    );
    const items = await json<object[]>("/images/base", { method: "DELETE" });
    expect(items).toContainEqual({ Untagged: "base:latest" });
    expect(items.some((item) => "Deleted" in item)).toBe(false);
    expect((await json<ImageSummary[]>("/images/json?all=1")).map(({ Id }) => Id)).toContain(base);
  });

  test("the nameless parents go with the last child", async () => {
    const deleted = async (query = "") =>
      (await json<{ Deleted?: string }[]>(`/images/child${query}`, { method: "DELETE" })).flatMap(
        (item) => item.Deleted ?? [],
      );
    const gone = await deleted();
    expect(gone).toContain(child);
    expect(gone).toContain(step);
    expect(gone).not.toContain(base);
    expect((await json<ImageSummary[]>("/images/json?all=1")).map(({ Id }) => Id)).toEqual([base]);
  });

  test("noprune leaves the parents", async () => {
    await call("/images/child?noprune=1", { method: "DELETE" });
    expect((await json<ImageSummary[]>("/images/json?all=1")).map(({ Id }) => Id)).toContain(step);
  });

  test("prune takes what nobody names, and counts each layer once", async () => {
    const prune = (filters: object) =>
      json<{ ImagesDeleted: object[] | null; SpaceReclaimed: number }>(
        `/images/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`,
        { method: "POST" },
      );
    expect(await prune({})).toEqual({ ImagesDeleted: null, SpaceReclaimed: 0 });
    expect(await prune({ dangling: ["false"], "label!": ["made"] })).toMatchObject({ ImagesDeleted: null });
    expect(await prune({ dangling: ["false"], until: ["2000-01-01"] })).toMatchObject({
      ImagesDeleted: null,
    });
    fake.users.push({ image: base, id: "c".repeat(64), name: "c", running: false });
    const { ImagesDeleted, SpaceReclaimed } = await prune({ dangling: ["false"] });
    expect(ImagesDeleted).toContainEqual({ Untagged: "child:latest" });
    expect(ImagesDeleted).toContainEqual({ Deleted: step });
    expect(SpaceReclaimed).toBe(2000);
    expect((await call(`/images/prune?filters={"no":["x"]}`, { method: "POST" })).status).toBe(400);
  });

  test("df", async () => {
    const all = await json<DiskUsage>("/system/df");
    expect(all).toMatchObject({ LayersSize: 3000, Containers: [], Volumes: [], BuildCache: [] });
    expect(all.Images!.map(({ Containers }) => Containers)).toEqual([0, 0]);
    expect(await json<DiskUsage>("/system/df?type=volume")).toEqual({
      LayersSize: 0,
      Images: null,
      Containers: null,
      Volumes: [],
      BuildCache: null,
    });
    expect((await call("/system/df?type=nope")).status).toBe(400);
  });
});
