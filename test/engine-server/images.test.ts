// Images: pull's progress, names and ids, list filters, and the whole table of docker rmi.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { registryAuth } from "../../src/roles/engine/images/auth.ts";
import { globToRegExp } from "../../src/roles/engine/images/list.ts";
import { bar, PullProgress } from "../../src/roles/engine/images/progress.ts";
import { pullReference } from "../../src/roles/engine/images/pull.ts";
import { isInsecure } from "../../src/roles/engine/images/registries.ts";
import { engineApp } from "../../src/roles/engine/server/serve.ts";
import type { EventMessage } from "../../src/spec/engine/events.ts";
import type { ImageSummary, ProgressLine } from "../../src/spec/engine/image.ts";
import { ServiceError } from "../../src/wire/containerd/services.ts";
import { type FakeEngine, fakeEngine } from "./fakes.ts";

const BUSYBOX = "docker.io/library/busybox:latest";
const layer = (digit: string) => `sha256:${digit.repeat(64)}`;

describe("images", () => {
  let fake: FakeEngine;
  let call: (path: string, init?: RequestInit) => Promise<Response>;
  beforeEach(async () => {
    fake = await fakeEngine();
    const app = engineApp(fake.engine, { routes: [], hijacks: [] });
    call = async (path, init) => app.request(`http://docker${path}`, init);
  });
  afterEach(() => fake[Symbol.dispose]());

  const message = async (response: Response) => ((await response.json()) as { message: string }).message;
  const lines = async (response: Response) =>
    (await response.text())
      .trim()
      .split("\r\n")
      .map((line) => JSON.parse(line) as ProgressLine);
  const list = async (filters: Record<string, string[]> = {}, version = "1.51") =>
    (await (
      await call(`/v${version}/images/json?filters=${encodeURIComponent(JSON.stringify(filters))}`)
    ).json()) as ImageSummary[];
  const id = (command: string, layers?: string[]) => {
    const manifest = JSON.parse(fake.containerd.blobs.get(fake.containerd.document(command, layers).digest)!);
    return manifest.config.digest as string;
  };

  test("pull tells its story in dockerd's lines", async () => {
    const target = fake.containerd.document("sh", ["a", "b"]);
    fake.containerd.pulling = async (request, report) => {
      expect(request).toMatchObject({ reference: BUSYBOX, platform: { os: "linux", architecture: "arm64" } });
      report({ event: "resolved", digest: target.digest });
      report({ event: "exists", id: layer("1") });
      report({ event: "waiting", id: layer("2") });
      report({ event: "downloading", id: layer("2"), progress: 5, total: 10 });
      report({ event: "verifying", id: layer("2") });
      report({ event: "downloaded", id: layer("2") });
      report({ event: "extracting", id: layer("2"), progress: 10, total: 10 });
      report({ event: "complete", id: layer("2") });
      report({ event: "complete", id: layer("2") });
      report({ event: "done" });
      return fake.containerd.name(request.reference, target);
    };
    const response = await call("/v1.51/images/create?fromImage=busybox&tag=latest&platform=linux/arm64", {
      method: "POST",
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await lines(response)).toEqual([
      { status: "Pulling from library/busybox", id: "latest" },
      { status: "Already exists", progressDetail: {}, id: "1".repeat(12) },
      { status: "Pulling fs layer", progressDetail: {}, id: "2".repeat(12) },
      { status: "Waiting", progressDetail: {}, id: "2".repeat(12) },
      {
        status: "Downloading",
        progressDetail: { current: 5, total: 10 },
        progress: `[${"=".repeat(25)}>${" ".repeat(25)}]       5B/10B`,
        id: "2".repeat(12),
      },
      { status: "Verifying Checksum", progressDetail: {}, id: "2".repeat(12) },
      { status: "Download complete", progressDetail: {}, id: "2".repeat(12) },
      {
        status: "Extracting",
        progressDetail: { current: 10, total: 10 },
        progress: `[${"=".repeat(50)}>]      10B/10B`,
        id: "2".repeat(12),
      },
      { status: "Pull complete", progressDetail: {}, id: "2".repeat(12) },
      { status: `Digest: ${target.digest}` },
      { status: "Status: Downloaded newer image for busybox:latest" },
    ]);
    const again = await lines(
      await call("/images/create?fromImage=busybox&platform=linux/arm64", { method: "POST" }),
    );
    expect(again.at(-1)).toEqual({ status: "Status: Image is up to date for busybox:latest" });
  });

  test("a pull that fails before it began has a status, later it fails in-band", async () => {
    const refused = await call("/images/create?fromImage=nope", { method: "POST" });
    expect(refused.status).toBe(404);
    expect(await message(refused)).toContain("pull access denied for docker.io/library/nope:latest");
    expect((await call("/images/create?fromImage=UPPER", { method: "POST" })).status).toBe(400);
    expect(
      (await call("/images/create?fromImage=a&platform=no/such/thing/x", { method: "POST" })).status,
    ).toBe(400);
    fake.containerd.pulling = async (_request, report) => {
      report({ event: "resolved" });
      throw new ServiceError("DataLoss", "filesystem layer verification failed");
    };
    const broken = await call("/images/create?fromImage=busybox", { method: "POST" });
    expect(broken.status).toBe(200);
    expect((await lines(broken)).at(-1)).toEqual({
      errorDetail: { message: "filesystem layer verification failed" },
      error: "filesystem layer verification failed",
    });
    expect(await list()).toEqual([]);
  });

  test("a name that moves leaves the old image behind without a name, even if the pull fails half-way", async () => {
    fake.containerd.name(BUSYBOX, fake.containerd.document("old"));
    const next = fake.containerd.document("new");
    fake.containerd.pulling = async () => {
      throw new ServiceError("Unavailable", "gone");
    };
    await call("/images/create?fromImage=busybox", { method: "POST" });
    expect([...fake.containerd.records.keys()]).toEqual([BUSYBOX]);
    fake.containerd.pulling = async (request) => fake.containerd.name(request.reference, next);
    await (await call("/images/create?fromImage=busybox", { method: "POST" })).text();
    const images = await list();
    expect(images.map((image) => image.RepoTags)).toContainEqual([]);
    expect(await list({ dangling: ["true"] })).toMatchObject([{ Id: id("old"), RepoTags: [] }]);
    expect(await list({ dangling: ["true"] }, "1.41")).toMatchObject([
      { RepoTags: ["<none>:<none>"], VirtualSize: 1000 },
    ]);
  });

  test("an image is found by name, tag, digest, id and prefix", async () => {
    const target = fake.containerd.document("sh");
    fake.containerd.name(BUSYBOX, target);
    const own = id("sh");
    for (const name of [
      "busybox",
      "busybox:latest",
      "docker.io/library/busybox",
      `busybox@${target.digest}`,
      own,
      own.slice(7),
      own.slice(7, 19),
      own.slice(0, 19),
    ]) {
      expect(await (await call(`/images/${encodeURIComponent(name)}/json`)).json()).toMatchObject({
        Id: own,
        RepoTags: ["busybox:latest"],
        RepoDigests: [`busybox@${target.digest}`],
        RootFS: { Type: "layers" },
        Size: 1000,
      });
    }
    const gone = await call("/images/nope/json");
    expect(gone.status).toBe(404);
    expect(await message(gone)).toBe("No such image: nope:latest");
    expect(await message(await call(`/images/${layer("0")}/json`))).toBe(`No such image: ${layer("0")}`);
    expect(await message(await call("/images/NOPE/json"))).toContain("must be lowercase");
    expect(await (await call("/v1.40/images/busybox/json")).json()).toMatchObject({
      Config: { Hostname: "", AttachStdin: false, Cmd: ["sh"] },
      ContainerConfig: { Hostname: "" },
      VirtualSize: 1000,
    });
    expect(await (await call("/images/busybox/history")).json()).toMatchObject([
      { Id: own, CreatedBy: "ADD a", Tags: ["busybox:latest"], Size: 1000 },
    ]);
  });

  test("an image whose content is gone does not hide the others", async () => {
    fake.containerd.name(BUSYBOX, fake.containerd.document("sh"));
    const broken = fake.containerd.document("broken");
    fake.containerd.name("docker.io/library/broken:latest", broken);
    fake.containerd.blobs.delete(broken.digest);
    expect((await list()).map((image) => image.RepoTags)).toEqual([["busybox:latest"]]);
  });

  test("list filters", async () => {
    fake.containerd.name(BUSYBOX, fake.containerd.document("one", ["a"], "2020-01-01T00:00:00Z"));
    fake.containerd.name(
      "localhost:5000/a/b:v1",
      fake.containerd.document("two", ["a"], "2021-01-01T00:00:00Z"),
    );
    const names = async (filters: Record<string, string[]>) =>
      (await list(filters)).flatMap((i) => i.RepoTags);
    expect(await names({})).toEqual(["localhost:5000/a/b:v1", "busybox:latest"]);
    expect(await names({ reference: ["busy*"] })).toEqual(["busybox:latest"]);
    expect(await names({ reference: ["*/*/b"] })).toEqual(["localhost:5000/a/b:v1"]);
    expect(await names({ reference: ["*"] })).toEqual(["busybox:latest"]);
    expect(await names({ since: ["busybox"] })).toEqual(["localhost:5000/a/b:v1"]);
    expect(await names({ before: ["localhost:5000/a/b:v1"] })).toEqual(["busybox:latest"]);
    expect(await names({ until: ["2020-06-01T00:00:00Z"] })).toEqual(["busybox:latest"]);
    expect(await names({ label: ["made=here"] })).toHaveLength(2);
    expect(await names({ label: ["made=there"] })).toEqual([]);
    expect(await names({ dangling: ["true"] })).toEqual([]);
    expect((await call(`/images/json?filters={"nope":["x"]}`)).status).toBe(400);
  });

  describe("removal", () => {
    const remove = (name: string, force = false) =>
      call(`/images/${encodeURIComponent(name)}?force=${force}`, { method: "DELETE" });
    const use = (running: boolean) =>
      fake.users.push({ image: id("sh"), id: "c".repeat(64), name: "c", running });

    test("of the last name deletes, and waits for the garbage", async () => {
      const target = fake.containerd.document("sh");
      fake.containerd.name(BUSYBOX, target);
      const items = (await (await remove("busybox")).json()) as unknown[];
      expect(items.slice(0, 3)).toEqual([
        { Untagged: "busybox:latest" },
        { Untagged: `busybox@${target.digest}` },
        { Deleted: id("sh") },
      ]);
      expect(items).toHaveLength(4);
      expect(fake.containerd.deleted).toEqual([{ name: BUSYBOX, sync: true }]);
      expect((await remove("busybox")).status).toBe(404);
    });

    test("of one of several names untags", async () => {
      fake.containerd.name(BUSYBOX, fake.containerd.document("sh"));
      expect((await call("/images/busybox/tag?repo=mine&tag=v1", { method: "POST" })).status).toBe(201);
      expect(await (await remove("mine:v1")).json()).toMatchObject(
        [{ Untagged: "mine:v1" }, { Untagged: /^mine@/ }].map((item) =>
          typeof item.Untagged === "string" ? item : { Untagged: expect.stringMatching(item.Untagged) },
        ),
      );
      expect([...fake.containerd.records.keys()]).toEqual([BUSYBOX]);
    });

    test("by id needs force with several repositories", async () => {
      fake.containerd.name(BUSYBOX, fake.containerd.document("sh"));
      await call("/images/busybox/tag?repo=mine", { method: "POST" });
      const short = id("sh").slice(7, 19);
      const refused = await remove(short);
      expect(refused.status).toBe(409);
      expect(await message(refused)).toBe(
        `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
      );
      expect((await remove(short, true)).status).toBe(200);
      expect(fake.containerd.records.size).toBe(0);
    });

    test("is refused while a stopped container uses it, unless forced", async () => {
      fake.containerd.name(BUSYBOX, fake.containerd.document("sh"));
      use(false);
      const short = id("sh").slice(7, 19);
      expect(await message(await remove("busybox"))).toBe(
        `conflict: unable to remove repository reference "busybox" (must force) - container cccccccccccc is using its referenced image ${short}`,
      );
      expect(await message(await remove(short))).toBe(
        `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
      );
      expect((await remove("busybox", true)).status).toBe(200);
    });

    test("while a running container uses it only takes the name", async () => {
      fake.containerd.name(BUSYBOX, fake.containerd.document("sh"));
      use(true);
      const short = id("sh").slice(7, 19);
      expect(await message(await remove(short, true))).toBe(
        `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
      );
      expect((await remove("busybox")).status).toBe(409);
      expect(await (await remove("busybox", true)).json()).toMatchObject([
        { Untagged: "busybox:latest" },
        {},
      ]);
      expect(await list()).toMatchObject([{ Id: id("sh"), RepoTags: [] }]);
    });

    test("leaves layers that another image has", async () => {
      fake.containerd.name(BUSYBOX, fake.containerd.document("sh", ["a"]));
      fake.containerd.name("docker.io/library/big:latest", fake.containerd.document("big", ["a", "b"]));
      const items = (await (await remove("big")).json()) as { Deleted?: string }[];
      expect(items.filter((item) => item.Deleted)).toHaveLength(2);
    });
  });

  test("events tell of pulls, tags, untags and deletions", async () => {
    const seen: EventMessage[] = [];
    fake.engine.events.subscribe((event) => seen.push(event));
    fake.containerd.pulling = async (request) =>
      fake.containerd.name(request.reference, fake.containerd.document("sh"));
    await (await call("/images/create?fromImage=busybox", { method: "POST" })).text();
    await call("/images/busybox/tag?repo=mine", { method: "POST" });
    await call("/images/mine", { method: "DELETE" });
    await call("/images/busybox", { method: "DELETE" });
    expect(seen.map(({ Action, Actor }) => [Action, Actor.Attributes["name"]])).toEqual([
      ["pull", "busybox"],
      ["tag", "mine:latest"],
      ["untag", id("sh")],
      ["untag", id("sh")],
      ["delete", id("sh")],
    ]);
    expect(seen[0]).toMatchObject({ status: "pull", id: "busybox:latest", Actor: { ID: "busybox:latest" } });
  });
});

test("progress of blobs that are no layers is not shown; bytes not more often than people read", () => {
  const progress = new PullProgress();
  const config = "application/vnd.oci.image.config.v1+json";
  expect(progress.lines({ event: "downloading", id: layer("3"), mediaType: config, progress: 1 })).toEqual(
    [],
  );
  const at = (current: number, now: number) =>
    progress.lines({ event: "downloading", id: layer("4"), progress: current, total: 100 }, now).length;
  expect([at(0, 0), at(1, 10), at(2, 99), at(3, 101), at(100, 102)]).toEqual([2, 0, 0, 1, 1]);
  expect(bar(1_234_567, 10_000_000)).toBe(`[======>${" ".repeat(44)}]  1.235MB/10MB`);
  expect(bar(512, 0)).toBe("    512B");
});

test("tags, digests, patterns, credentials, registries", () => {
  expect(pullReference("a", "b")).toBe("a:b");
  expect(pullReference("a", layer("1"))).toBe(`a@${layer("1")}`);
  expect(globToRegExp("a*b?[c-d]").test("axxbyc")).toBeTrue();
  expect(globToRegExp("a*").test("a/b")).toBeFalse();
  const header = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  expect(registryAuth(header({ username: "u", password: "p" }))).toMatchObject({
    username: "u",
    password: "p",
  });
  expect(registryAuth(header({ auth: btoa("u:p:q") }))).toMatchObject({ username: "u", password: "p:q" });
  expect(registryAuth(header({ identitytoken: "t" }))).toMatchObject({ identityToken: "t" });
  expect(registryAuth("garbage")).toBeUndefined();
  expect(registryAuth(header({}))).toBeUndefined();
  expect(isInsecure("localhost:5000", [])).toBeTrue();
  expect(isInsecure("127.1.2.3:5000", [])).toBeTrue();
  expect(isInsecure("10.0.0.1:5000", [])).toBeFalse();
  expect(isInsecure("10.0.0.1:5000", ["10.0.0.0/8"])).toBeTrue();
  expect(isInsecure("reg.example:5000", ["reg.example:5000"])).toBeTrue();
  expect(isInsecure("docker.io", ["127.0.0.0/8"])).toBeFalse();
});
