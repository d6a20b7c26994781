// docker push to Debian's registry: what is said, what arrives, what is refused.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { PushProgress } from "../../src/roles/engine/images/push.ts";
import type { ProgressLine } from "../../src/spec/engine/image.ts";
import { MediaType } from "../../src/spec/oci/image.ts";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { type Registry, startRegistry } from "../support/registry.ts";

test("progress in dockerd's words, once each, none for documents", () => {
  const progress = new PushProgress();
  const id = `sha256:${"a".repeat(64)}`;
  const short = "a".repeat(12);
  const said = (
    [
      { event: "waiting", id },
      { event: "waiting", id },
      { event: "uploading", id, progress: 0, total: 10 },
      { event: "uploading", id, progress: 3, total: 10 },
      { event: "uploading", id, progress: 10, total: 10 },
      { event: "complete", id },
      { event: "exists", id: `sha256:${"b".repeat(64)}` },
      { event: "mounted", id: `sha256:${"c".repeat(64)}`, from: "library/x" },
      { event: "complete", id: `sha256:${"d".repeat(64)}`, mediaType: MediaType.config },
      { event: "done" },
    ] as const
  ).flatMap((report) => progress.line(report, 0) ?? []);
  expect(said.map(({ status, id: of }) => [status, of])).toEqual([
    ["Preparing", short],
    ["Pushing", short],
    ["Pushing", short],
    ["Pushed", short],
    ["Layer already exists", "b".repeat(12)],
    ["Mounted from library/x", "c".repeat(12)],
  ]);
});

const why = !built
  ? "dist/bunker is not built"
  : !Bun.which("docker-registry")
    ? "docker-registry is not installed"
    : undefined;

describe.skipIf(why !== undefined)(why ? `push (skipped: ${why})` : "push", () => {
  let netns: Netns;
  let registry: Registry;
  let engine: Engine;
  beforeAll(async () => {
    netns = await makeNetns();
    registry = await startRegistry(netns);
    await registry.push(await busyboxImage(), "busybox:latest");
    engine = await startEngine(netns);
    await engine.docker(["pull", `${registry.address}/busybox`]);
  }, 120_000);
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
  }, 60_000);

  const push = async (name: string, query = "") => {
    const response = await fetch(`http://docker/images/${encodeURIComponent(name)}/push?${query}`, {
      method: "POST",
      unix: engine.host.replace("unix://", ""),
    } as RequestInit);
    const text = await response.text();
    if (response.status !== 200)
      return { status: response.status, lines: [], error: JSON.parse(text).message as string };
    const lines = text
      .trim()
      .split("\r\n")
      .map((line) => JSON.parse(line) as ProgressLine);
    return { status: 200, lines, error: lines.find((line) => line.error)?.error };
  };

  test("an image made here arrives, and comes back the same", async () => {
    const name = `${registry.address}/made/here`;
    await engine.docker([
      "run",
      "--name",
      "changed",
      `${registry.address}/busybox`,
      "sh",
      "-c",
      "echo pushed > /f",
    ]);
    const committed = await fetch(
      `http://docker/commit?container=changed&repo=${encodeURIComponent(name)}&tag=v1`,
      { method: "POST", unix: engine.host.replace("unix://", "") } as RequestInit,
    );
    const { Id } = (await committed.json()) as { Id: string };
    await engine.docker(["rm", "changed"]);
    const { lines, error } = await push(name, "tag=v1");
    expect(error).toBeUndefined();
    expect(lines[0]).toEqual({ status: `The push refers to repository [${name}]` });
    const words = lines.map((line) => line.status);
    expect(words).toContain("Pushed");
    expect(words.some((word) => /^(Mounted from|Layer already exists)/.test(word ?? ""))).toBe(true);
    const aux = lines.at(-1)!.aux as { Tag: string; Digest: string; Size: number };
    expect(lines.at(-2)!.status).toBe(`v1: digest: ${aux.Digest} size: ${aux.Size}`);
    await engine.docker(["rmi", `${name}:v1`]);
    await engine.docker(["pull", `${name}:v1`]);
    expect((await engine.docker(["run", "--rm", `${name}:v1`, "cat", "/f"])).stdout).toBe("pushed\n");
    expect((await engine.docker(["images", "-q", "--no-trunc", `${name}:v1`])).stdout.trim()).toBe(Id);
    const again = await push(name, "tag=v1");
    expect(again.lines.filter((line) => line.status === "Layer already exists")).toHaveLength(2);
  });

  test("without a tag all of them go", async () => {
    const name = `${registry.address}/all`;
    await engine.docker(["tag", `${registry.address}/busybox`, `${name}:one`]);
    await engine.docker(["tag", `${registry.address}/busybox`, `${name}:two`]);
    const { lines } = await push(name);
    const tags = lines.flatMap((line) => (line.aux ? [(line.aux as { Tag: string }).Tag] : []));
    expect(tags.sort()).toEqual(["one", "two"]);
  });

  test("refusals", async () => {
    const name = `${registry.address}/all`;
    expect((await push(`${registry.address}/nope`, "tag=x")).error).toBe(
      `An image does not exist locally with the tag: ${registry.address}/nope`,
    );
    expect((await push(name, "tag=nope")).error).toBe(`tag does not exist: ${name}:nope`);
    expect((await push("UPPER")).status).toBe(400);
    expect((await push(`${name}@sha256:${"a".repeat(64)}`)).error).toContain(
      "cannot push a digest reference",
    );
    await engine.docker(["tag", `${registry.address}/busybox`, "127.0.0.1:1/gone:x"]);
    const gone = await push("127.0.0.1:1/gone", "tag=x");
    expect([gone.status, gone.error]).toEqual([200, expect.stringContaining("connection refused")]);
  });
});
