// commit, import, save and load with a real engine, and skopeo on both sides of it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { ImageInspect, ProgressLine } from "../../src/spec/engine/image.ts";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, run } from "../support/process.ts";
import { tar } from "../support/tar.ts";

const why = !built
  ? "dist/bunker is not built"
  : !Bun.which("skopeo")
    ? "skopeo is not installed"
    : undefined;

describe.skipIf(why !== undefined)(why ? `image archives (skipped: ${why})` : "image archives", () => {
  let netns: Netns;
  let engine: Engine;
  let work: string;

  const socket = () => engine.host.replace("unix://", "");
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`http://docker${path}`, { ...init, unix: socket() } as RequestInit);
  const docker = async (...args: string[]) => await engine.docker(args);
  const inspect = async (name: string) => (await (await call(`/images/${name}/json`)).json()) as ImageInspect;
  const skopeo = (...args: string[]) =>
    run(netns.inside(["skopeo", "--insecure-policy", `--tmpdir=${work}`, ...args]), {
      env: { REGISTRY_AUTH_FILE: "/proc/nonexistent" },
      deadline: 120_000,
    });
  const lines = async (response: Response) =>
    (await response.text())
      .trim()
      .split("\r\n")
      .map((line) => JSON.parse(line) as ProgressLine);
  const load = async (body: Uint8Array, query = "") => {
    const response = await call(`/images/load?${query}`, { method: "POST", body });
    return { status: response.status, lines: await lines(response) };
  };
  const save = async (...names: string[]) => {
    const query = names.map((name) => `names=${encodeURIComponent(name)}`).join("&");
    return new Uint8Array(await (await call(`/images/get?${query}`)).arrayBuffer());
  };
  const listed = async (archive: Uint8Array) =>
    (await new Response(Bun.spawn(["tar", "t"], { stdin: archive, stdout: "pipe" }).stdout).text()).split(
      "\n",
    );

  beforeAll(async () => {
    netns = await makeNetns();
    engine = await startEngine(netns);
    work = join(engine.dir, "work");
    mkdirSync(work);
    const archive = join(work, "busybox.tar");
    await must([
      "skopeo",
      "--insecure-policy",
      `--tmpdir=${work}`,
      "copy",
      "-q",
      `oci:${await busyboxImage()}:latest`,
      `docker-archive:${archive}:busybox:latest`,
    ]);
    expect((await load(await Bun.file(archive).bytes())).lines.at(-1)).toEqual({
      stream: "Loaded image: busybox:latest\n",
    });
  }, 120_000);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
  }, 60_000);

  describe("commit", () => {
    const commit = async (query: string, body?: unknown) => {
      const response = await call(`/commit?${query}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, answer: (await response.json()) as { Id: string; message: string } };
    };

    test("of a stopped container: files, deletions, changes, history, name", async () => {
      await docker(
        "run",
        "--name",
        "stopped",
        "-e",
        "KEPT=1",
        "busybox",
        "sh",
        "-c",
        "echo hi > /hi; rm -r /home; mkdir -p /a/b",
      );
      const changes = ['CMD ["cat", "/hi"]', "ENV A=b", "ENV C=$A", "LABEL l=m", "EXPOSE 80", "WORKDIR /a/b"]
        .map((change) => `changes=${encodeURIComponent(change)}`)
        .join("&");
      const { status, answer } = await commit(
        `container=stopped&repo=made&tag=1&author=me&comment=said&${changes}`,
      );
      expect(status).toBe(201);
      expect((await docker("run", "--rm", "made:1")).stdout).toBe("hi\n");
      const shown = await inspect("made:1");
      expect(shown).toMatchObject({ Id: answer.Id, Author: "me", Comment: "said" });
      expect(shown.Parent).toBe((await inspect("busybox")).Id);
      expect(shown.Config).toMatchObject({
        Cmd: ["cat", "/hi"],
        Labels: { l: "m" },
        ExposedPorts: { "80/tcp": {} },
        WorkingDir: "/a/b",
      });
      expect(shown.Config!.Env).toContain("KEPT=1");
      expect(shown.Config!.Env).toContain("C=b");
      expect((await docker("run", "--rm", "made:1", "ls", "/home")).code).not.toBe(0);
      // Nothing of what every container has.
      const archive = await save("made:1");
      await Bun.write(join(work, "made.tar"), archive);
      await must(["sh", "-c", `cd ${work} && mkdir -p made && tar xf made.tar -C made`]);
      const layers = JSON.parse(await Bun.file(join(work, "made", "manifest.json")).text())[0]
        .Layers as string[];
      const names = (await must(["tar", "tzf", join(work, "made", layers.at(-1)!)]))
        .split("\n")
        .filter(Boolean);
      expect(names).toEqual(["a/", "a/b/", "hi", ".wh.home"]);
      await docker("rm", "stopped");
    });

    test("of a running one, which is paused meanwhile and goes on", async () => {
      await docker("run", "-d", "--name", "live", "busybox", "sh", "-c", "echo x > /x; sleep 1000");
      const since = Math.floor(Date.now() / 1000) - 1;
      expect((await commit("container=live&repo=snap")).status).toBe(201);
      const { stdout } = await docker(
        "events",
        "--since",
        String(since),
        "--until",
        String(Math.floor(Date.now() / 1000) + 1),
        "--filter",
        "container=live",
        "--format",
        "{{.Action}}",
      );
      expect(stdout.split("\n").filter((action) => /pause|commit/.test(action))).toEqual([
        "pause",
        "unpause",
        "commit",
      ]);
      expect((await docker("run", "--rm", "snap", "cat", "/x")).stdout).toBe("x\n");
      expect((await docker("ps", "--format", "{{.Status}}")).stdout).toMatch(/^Up/);
      const body = { Cmd: ["echo", "from body"], Env: ["E=f"] };
      expect((await commit("container=live&repo=body&pause=0", body)).status).toBe(201);
      expect((await docker("run", "--rm", "body")).stdout).toBe("from body\n");
      await docker("rm", "-f", "live");
      await docker("rmi", "made:1", "snap", "body");
    });

    test("refusals change nothing", async () => {
      await docker("create", "--name", "still", "busybox");
      const before = (await docker("images", "-aq")).stdout;
      expect((await commit("container=nope")).status).toBe(404);
      expect((await commit("container=still&repo=UPPER")).answer.message).toContain("must be lowercase");
      expect((await commit("container=still&changes=RUN%20x")).answer.message).toBe(
        "run is not a valid change command",
      );
      expect((await commit("container=still", { Cmd: 7 })).status).toBe(400);
      expect((await docker("images", "-aq")).stdout).toBe(before);
      await docker("rm", "still");
    });
  });

  describe("import", () => {
    const importing = async (query: string, body?: Uint8Array) => {
      const response = await call(`/images/create?${query}`, { method: "POST", body });
      return { status: response.status, lines: await lines(response) };
    };

    test("from the body, compressed or not, with changes", async () => {
      const archive = tar([
        { name: "bin/", type: "5" },
        { name: "bin/busybox", content: await Bun.file("/bin/busybox").bytes(), mode: 0o755 },
        { name: "f", content: "imported\n" },
      ]);
      for (const body of [archive, new Uint8Array(gzipSync(archive))]) {
        const changes = encodeURIComponent('CMD ["/bin/busybox", "cat", "/f"]');
        const said = await importing(
          `fromSrc=-&repo=imp&tag=1&message=m&changes=${changes}&platform=linux`,
          body,
        );
        expect(said.status).toBe(200);
        expect(said.lines.at(-1)!.status).toMatch(/^sha256:[0-9a-f]{64}$/);
        expect((await docker("run", "--rm", "imp:1")).stdout).toBe("imported\n");
        expect((await inspect("imp:1")).Comment).toBe("m");
      }
    });

    test("refusals", async () => {
      expect((await importing("fromSrc=-&repo=UPPER", tar([]))).status).toBe(400);
      expect((await importing("fromSrc=-&changes=RUN%20x", tar([]))).status).toBe(400);
      const bad = await importing("fromSrc=-&repo=bad", Buffer.from("x".repeat(3000)));
      expect(bad.status).toBeGreaterThanOrEqual(400);
      expect((await call("/images/bad/json")).status).toBe(404);
      const gone = await importing("fromSrc=127.0.0.1:1/x.tar&repo=bad");
      expect(gone.lines.at(-1)!.error).toBeTruthy();
    });
  });

  describe("save and load", () => {
    test("what was saved comes back with its id, digest and names", async () => {
      await docker("tag", "busybox", "other/name:v2");
      const before = await inspect("busybox");
      const archive = await save("busybox", "other/name:v2");
      const names = await listed(archive);
      for (const name of [
        "oci-layout",
        "index.json",
        "manifest.json",
        "repositories",
        `blobs/sha256/${before.Id.slice(7)}`,
      ]) {
        expect(names).toContain(name);
      }
      await docker("rmi", "-f", before.Id);
      expect((await call("/images/busybox/json")).status).toBe(404);
      const { lines: said } = await load(archive, "quiet=0");
      expect(said.some((line) => line.status === "Loading layer" && line.progressDetail?.total)).toBe(true);
      expect(said.filter((line) => line.stream).map((line) => line.stream)).toEqual([
        "Loaded image: busybox:latest\n",
        "Loaded image: other/name:v2\n",
      ]);
      const after = await inspect("busybox");
      expect([after.Id, after.RepoDigests.sort()]).toEqual([before.Id, before.RepoDigests.sort()]);
      expect((await docker("run", "--rm", "other/name:v2", "echo", "runs")).stdout).toBe("runs\n");
      // The same images make the same archive.
      expect(Buffer.compare(await save("busybox", "other/name:v2"), archive)).toBe(0);
    });

    test("an id saves no name, a bare repository all its tags", async () => {
      await docker("tag", "busybox", "many:1");
      await docker("tag", "busybox", "many:2");
      const { Id } = await inspect("busybox");
      const tags = async (name: string) => {
        await Bun.write(join(work, "one.tar"), await save(name));
        return JSON.parse(await must(["tar", "xOf", join(work, "one.tar"), "manifest.json"]))[0].RepoTags;
      };
      expect(await tags("many")).toEqual(["many:1", "many:2"]);
      expect(await tags(Id)).toBeNull();
      expect((await call("/images/nope/get")).status).toBe(404);
      const nameless = await load(await save(Id));
      expect(nameless.lines).toEqual([{ stream: `Loaded image ID: ${Id}\n` }]);
    });

    test("a name that leads elsewhere by now moves, and it is said", async () => {
      await docker("run", "--name", "moved", "busybox", "touch", "/new");
      await docker("tag", "busybox", "moving");
      const archive = await save("moving:latest");
      await call("/commit?container=moved&repo=moving", { method: "POST" });
      const { lines: said } = await load(archive);
      expect(said[0]!.stream).toMatch(
        /^The image moving:latest already exists, renaming the old one with ID sha256:/,
      );
      await docker("rm", "moved");
    });

    test("archives of others: layer.tar in directories, an OCI archive, docker load < gzip", async () => {
      const { Id } = await inspect("busybox");
      const file = join(work, "foreign.tar");
      expect(
        (
          await skopeo(
            "copy",
            "-q",
            `oci:${await busyboxImage()}:latest`,
            `oci-archive:${file}:foreign/oci:1`,
          )
        ).code,
      ).toBe(0);
      expect((await load(await Bun.file(file).bytes())).lines.at(-1)!.stream).toBe(
        "Loaded image: foreign/oci:1\n",
      );
      rmSync(file);
      expect(
        (
          await skopeo(
            "copy",
            "-q",
            `oci:${await busyboxImage()}:latest`,
            `docker-archive:${file}:foreign/old:1`,
          )
        ).code,
      ).toBe(0);
      expect(await listed(await Bun.file(file).bytes())).toContainEqual(expect.stringMatching(/layer\.tar$/));
      const { lines: said } = await load(new Uint8Array(gzipSync(await Bun.file(file).bytes())));
      expect(said.at(-1)!.stream).toBe("Loaded image: foreign/old:1\n");
      expect((await inspect("foreign/old:1")).Id).toBe(Id);
    });

    test("archives from before Docker 1.10", async () => {
      const [below, top] = ["a".repeat(64), "b".repeat(64)];
      const layer = tar([
        { name: "bin/", type: "5" },
        { name: "bin/busybox", content: await Bun.file("/bin/busybox").bytes(), mode: 0o755 },
      ]);
      const archive = tar([
        {
          name: `${below}/json`,
          content: JSON.stringify({
            id: below,
            created: "2015-01-01T00:00:00Z",
            container_config: { Cmd: ["make", "it"] },
          }),
        },
        { name: `${below}/layer.tar`, content: layer },
        {
          name: `${top}/json`,
          content: JSON.stringify({
            id: top,
            parent: below,
            os: "linux",
            architecture: "amd64",
            config: { Cmd: ["/bin/busybox", "echo", "old"] },
          }),
        },
        { name: `${top}/layer.tar`, content: new Uint8Array(1024) },
        { name: "repositories", content: JSON.stringify({ ancient: { v1: top } }) },
      ]);
      expect((await load(archive)).lines).toEqual([{ stream: "Loaded image: ancient:v1\n" }]);
      expect((await docker("run", "--rm", "ancient:v1")).stdout).toBe("old\n");
      expect((await inspect("ancient:v1")).RootFS.Layers).toHaveLength(1);
      const loop = tar([
        { name: `${top}/json`, content: JSON.stringify({ id: top, parent: top }) },
        { name: "repositories", content: JSON.stringify({ x: { y: top } }) },
      ]);
      expect((await load(loop)).lines.at(-1)!.error).toBe("invalid archive: max depth exceeded");
    });

    test("archives that are none leave nothing behind", async () => {
      const good = await save("busybox:latest");
      const cases: [Uint8Array, string][] = [
        [Buffer.from("x".repeat(2000)), "Error processing tar file"],
        [tar([{ name: "f", content: "x" }]), "invalid archive: does not contain a manifest.json"],
        [tar([{ name: "manifest.json", content: "{" }]), "manifest.json is no JSON"],
        [
          tar([{ name: "manifest.json", content: '[{"Config":"../../etc/passwd","Layers":[]}]' }]),
          "points outside",
        ],
        [tar([{ name: "manifest.json", content: '[{"Config":"gone","Layers":[]}]' }]), "gone is missing"],
        [good.slice(0, good.length / 2), "Error processing tar file"],
      ];
      const before = (await docker("images", "-aq")).stdout;
      for (const [body, message] of cases) {
        const response = await call("/images/load", { method: "POST", body });
        expect(response.status).toBe(200);
        expect((await lines(response)).at(-1)!.error).toContain(message);
      }
      const loads = join(engine.dataRoot, "tmp", "loads");
      expect(existsSync(loads) ? readdirSync(loads) : []).toEqual([]);
      expect((await docker("images", "-aq")).stdout).toBe(before);
    });

    test("skopeo's docker-daemon transport, out and in", async () => {
      const out = await skopeo(
        "copy",
        "-q",
        "--src-daemon-host",
        engine.host,
        "docker-daemon:busybox:latest",
        `dir:${work}/dir`,
      );
      expect(out).toMatchObject({ code: 0 });
      const back = await skopeo(
        "copy",
        "-q",
        "--dest-daemon-host",
        engine.host,
        `dir:${work}/dir`,
        "docker-daemon:by/skopeo:1",
      );
      expect(back).toMatchObject({ code: 0 });
      expect((await docker("run", "--rm", "by/skopeo:1", "echo", "there")).stdout).toBe("there\n");
      const told = await skopeo("inspect", "--daemon-host", engine.host, "docker-daemon:by/skopeo:1");
      expect(JSON.parse(told.stdout)).toMatchObject({ Os: "linux" });
    });
  });
});
