// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles are full of them
// POST /build with a real engine: the files and the configuration that Dockerfiles make, the cache, and what goes wrong.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { ImageInspect, ProgressLine } from "../../src/spec/engine/image.ts";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, until } from "../support/process.ts";
import { type Registry, startRegistry } from "../support/registry.ts";
import { type TarEntry, tar } from "../support/tar.ts";

const why = !built
  ? "dist/bunker is not built"
  : !Bun.which("docker-registry")
    ? "docker-registry is not installed"
    : undefined;

type Entry = Omit<TarEntry, "name">;
type Files = Record<string, string | Entry>;

function context(dockerfile: string, files: Files = {}): Uint8Array {
  const entries = Object.entries<string | Entry>({ Dockerfile: dockerfile, ...files }).map(([name, file]) =>
    typeof file === "string" ? { name, content: file } : { name, ...file },
  );
  return tar(entries);
}

describe.skipIf(why !== undefined)(why ? `builds (skipped: ${why})` : "builds", () => {
  let netns: Netns;
  let registry: Registry;
  let engine: Engine;
  const socket = () => engine.host.replace("unix://", "");
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`http://docker${path}`, { ...init, unix: socket() } as RequestInit);

  beforeAll(async () => {
    netns = await makeNetns();
    registry = await startRegistry(netns);
    await registry.push(await busyboxImage(), "busybox:latest");
    engine = await startEngine(netns);
    await engine.docker(["pull", `${registry.address}/busybox`]);
    await engine.docker(["tag", `${registry.address}/busybox`, "busybox"]);
  }, 120_000);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
  }, 60_000);

  async function build(
    body: Uint8Array | ReadableStream<Uint8Array>,
    query: Record<string, string | string[]> = {},
    init: RequestInit = {},
  ): Promise<{
    text: string;
    error: ProgressLine["errorDetail"];
    id: string | undefined;
    lines: ProgressLine[];
  }> {
    const parameters = Object.entries(query).flatMap(([key, value]) =>
      [value].flat().map((one) => `${key}=${encodeURIComponent(one)}`),
    );
    const response = await call(`/build?${parameters.join("&")}`, {
      ...init,
      method: "POST",
      body,
      headers: { "Content-Type": "application/x-tar", ...init.headers },
    });
    const answer = await response.text();
    if (response.status !== 200) {
      return { text: "", error: JSON.parse(answer), id: undefined, lines: [] };
    }
    const lines = answer
      .trim()
      .split("\r\n")
      .map((line) => JSON.parse(line) as ProgressLine);
    const aux = lines.findLast((line) => line.aux)?.aux as { ID: string } | undefined;
    return {
      text: lines.map((line) => line.stream ?? "").join(""),
      error: lines.find((line) => line.errorDetail)?.errorDetail,
      id: aux?.ID,
      lines,
    };
  }
  const make = async (
    dockerfile: string,
    files: Files = {},
    query: Record<string, string | string[]> = {},
  ) => {
    const result = await build(context(dockerfile, files), query);
    expect(result.error).toBeUndefined();
    return result;
  };
  const inspect = async (id: string) => (await (await call(`/images/${id}/json`)).json()) as ImageInspect;
  const inside = async (id: string, command: string) => {
    const { stdout, stderr } = await engine.docker(["run", "--rm", "--entrypoint", "sh", id, "-c", command]);
    return stdout + stderr;
  };

  test("steps in dockerd's words, the id in aux, names given", async () => {
    const { text, id } = await make(
      "FROM busybox\nENV A=b\nRUN echo out; echo err >&2\nRUN true\n",
      {},
      {
        t: ["words:v1", "words"],
      },
    );
    const short = "[0-9a-f]{12}";
    expect(text).toMatch(
      new RegExp(
        `^Step 1/4 : FROM busybox\n ---> ${short}\nStep 2/4 : ENV A=b\n ---> ${short}\n` +
          `Step 3/4 : RUN echo out; echo err >&2\n ---> Running in ${short}\n`,
      ),
    );
    expect(text).toContain("out\n");
    expect(text).toContain("\u001b[91merr\n\u001b[0m");
    expect(text).toMatch(
      new RegExp(
        ` ---> Removed intermediate container ${short}\n ---> ${short}\nSuccessfully built ${id!.slice(7, 19)}\n` +
          "Successfully tagged words:v1\nSuccessfully tagged words:latest\n$",
      ),
    );
    expect((await inspect("words:v1")).Id).toBe(id!);
    expect(await engine.docker(["ps", "-aq"])).toMatchObject({ stdout: "" });
  });

  test("the configuration of every instruction", async () => {
    const { id } = await make(
      [
        "FROM busybox",
        "MAINTAINER me",
        "ARG V=1",
        'ENV A="x y" B=$V',
        "LABEL l=${A} 'q r'=s",
        "EXPOSE 80 53/udp",
        "VOLUME /data",
        "WORKDIR /w",
        "WORKDIR sub",
        "USER www-data",
        'SHELL ["/bin/sh", "-ec"]',
        "ENTRYPOINT exec top",
        'CMD ["-b"]',
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK --interval=3s CMD true",
        "ONBUILD RUN echo triggered",
      ].join("\n"),
      {},
      { labels: JSON.stringify({ given: "it's $A" }), t: "config" },
    );
    const shown = await inspect(id!);
    expect(shown.Author).toBe("me");
    expect(shown.Config).toMatchObject({
      Env: [expect.stringMatching(/^PATH=/), "A=x y", "B=1"],
      Labels: { l: "x y", "q r": "s", given: "it's $A" },
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      Volumes: { "/data": {} },
      WorkingDir: "/w/sub",
      User: "www-data",
      Shell: ["/bin/sh", "-ec"],
      Entrypoint: ["/bin/sh", "-ec", "exec top"],
      Cmd: ["-b"],
      StopSignal: "SIGINT",
      Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 3e9 },
      OnBuild: ["RUN echo triggered"],
    });
    const child = await make("FROM config\nENTRYPOINT []\n");
    expect(child.text).toContain("# Executing 1 build trigger\n");
    expect(child.text).toContain("triggered\n");
    const { Config } = await inspect(child.id!);
    expect(Config!.OnBuild ?? null).toBeNull();
    expect([Config!.Cmd ?? null, Config!.Entrypoint ?? null]).toEqual([null, null]);
  });

  test("COPY: files, directories, wildcards, owners, modes, symlinks on the way", async () => {
    const { id } = await make(
      [
        "FROM busybox",
        "RUN mkdir -p /real/there && ln -s real /link && echo old > /real/old",
        "COPY a.txt /one",
        "COPY a.txt b.txt /dir/",
        "COPY *.txt /wild/",
        "COPY tree /tree",
        "COPY tree/ /link/there/",
        "COPY --chown=www-data --chmod=0750 tree /owned",
        "COPY --chown=7:8 a.txt /num/deep/a",
        "COPY pointer /followed",
        "WORKDIR /rel",
        'COPY ["a.txt", "with blank"]',
        "COPY <<EOF /doc",
        "a $PATH",
        "EOF",
      ].join("\n"),
      {
        "a.txt": { content: "A", mode: 0o640, uid: 5, gid: 5 },
        "b.txt": "B",
        "tree/": { type: "5" },
        "tree/f": "F",
        "tree/sub/": { type: "5", mode: 0o700 },
        "tree/sub/g": { content: "G", mode: 0o755 },
        "tree/l": { type: "2", link: "f" },
        pointer: { type: "2", link: "a.txt" },
      },
    );
    const list = await inside(
      id!,
      "cd / && stat -c '%n %a %u:%g %F' one dir dir/a.txt dir/b.txt wild/b.txt tree/f tree/l tree/sub tree/sub/g real/there/f real/old owned owned/f owned/sub num num/deep/a followed; cat /doc; ls /rel; readlink /link",
    );
    expect(list).toBe(
      [
        "one 640 0:0 regular file",
        "dir 755 0:0 directory",
        "dir/a.txt 640 0:0 regular file",
        "dir/b.txt 644 0:0 regular file",
        "wild/b.txt 644 0:0 regular file",
        "tree/f 644 0:0 regular file",
        "tree/l 777 0:0 symbolic link",
        "tree/sub 700 0:0 directory",
        "tree/sub/g 755 0:0 regular file",
        "real/there/f 644 0:0 regular file",
        "real/old 644 0:0 regular file",
        "owned 755 33:33 directory",
        "owned/f 750 33:33 regular file",
        "owned/sub 750 33:33 directory",
        "num 755 7:8 directory",
        "num/deep/a 640 7:8 regular file",
        "followed 640 0:0 regular file",
        "a /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "with blank",
        "real",
        "",
      ].join("\n"),
    );
  });

  test("ADD unpacks local archives and fetches URLs", async () => {
    const inner = tar([
      { name: "d/", type: "5", mode: 0o711, uid: 3, gid: 4 },
      { name: "d/f", content: "inner", uid: 3, gid: 4 },
      { name: "h", type: "1", link: "d/f", uid: 3, gid: 4 },
    ]);
    const xz = await new Response(Bun.spawn(["xz", "-c"], { stdin: inner, stdout: "pipe" }).stdout).bytes();
    const dir = join(engine.dir, "www");
    await must(["mkdir", "-p", dir]);
    await Bun.write(join(dir, "page.tar"), inner);
    const server = Bun.spawn(netns.inside(["busybox", "httpd", "-f", "-p", "127.0.0.1:8099", "-h", dir]), {
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      await until("the web server", async () => {
        const code = await Bun.spawn(netns.inside(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8099"]), {
          stderr: "ignore",
        }).exited;
        return code === 0;
      });
      const { id } = await make(
        [
          "FROM busybox",
          "ADD plain.tar /plain/",
          "ADD x.tar.gz x.tar.zst /gz/",
          "ADD x.tar.xz /xz",
          "ADD notatar.gz /kept/",
          "ADD http://127.0.0.1:8099/page.tar /url/",
          "COPY plain.tar /copied.tar",
        ].join("\n"),
        {
          "plain.tar": { content: inner },
          "x.tar.gz": { content: gzipSync(inner) },
          "x.tar.zst": { content: zstdCompressSync(inner) },
          "x.tar.xz": { content: xz },
          "notatar.gz": { content: gzipSync(Buffer.from("no tar")) },
        },
      );
      expect(
        await inside(
          id!,
          "cd / && stat -c '%n %a %u:%g %h' plain/d plain/d/f gz/d/f xz/d/f url/page.tar; ls kept; cat plain/h; tar tf copied.tar | head -1",
        ),
      ).toBe(
        [
          "plain/d 711 3:4 2",
          "plain/d/f 644 3:4 2",
          "gz/d/f 644 3:4 2",
          "xz/d/f 644 3:4 2",
          "url/page.tar 600 0:0 1",
          "notatar.gz",
          "innerd/",
          "",
        ].join("\n"),
      );
    } finally {
      server.kill();
      await server.exited;
    }
  });

  test("stages: by name, by number, from scratch, from another image, up to a target", async () => {
    const dockerfile = [
      "ARG BASE=busybox",
      "FROM $BASE AS first",
      "RUN echo one > /made",
      "FROM scratch AS bare",
      "COPY --from=first /bin/busybox /bin/",
      "COPY --from=0 /made /",
      `COPY --from=${registry.address}/busybox /etc/passwd /etc/`,
      'CMD ["/bin/busybox", "cat", "/made"]',
      "FROM bare",
      "ENV LAST=1",
    ].join("\n");
    const whole = await make(dockerfile);
    const { stdout } = await engine.docker(["run", "--rm", whole.id!]);
    expect(stdout).toBe("one\n");
    const target = await make(dockerfile, {}, { target: "FIRST" });
    expect(target.text).toContain("Step 3/3 : RUN echo one > /made\n ---> Using cache\n");
    expect((await build(context(dockerfile), { target: "no" })).error).toMatchObject({
      message: "failed to reach build target no in Dockerfile",
    });
  });

  test("RUN: shell and exec form, here-documents, arguments, network, limits, hosts", async () => {
    const { text } = await make(
      [
        "FROM busybox",
        "ARG WHO=nobody",
        "RUN echo shell $WHO",
        'RUN ["echo", "exec $WHO"]',
        "RUN <<EOF",
        "echo doc",
        "echo umentation",
        "EOF",
        "RUN cat <<X",
        "text $WHO",
        "X",
        "RUN --network=none ls /sys/class/net",
        "RUN cat /etc/hosts; df -k /dev/shm | tail -1; ulimit -n",
        "USER 7:8",
        "RUN id -u; id -g; pwd",
      ].join("\n"),
      {},
      {
        buildargs: JSON.stringify({ WHO: "me", LOST: "x" }),
        extrahosts: "there:10.1.2.3",
        shmsize: String(8 << 20),
        ulimits: JSON.stringify([{ Name: "nofile", Soft: 77, Hard: 78 }]),
        memory: String(64 << 20),
      },
    );
    for (const said of [
      "shell me\n",
      "exec $WHO\n",
      "doc\numentation\n",
      "text me\n",
      "\nlo\n",
      "10.1.2.3\tthere",
      "8192",
      "\n77\n",
      "7\n8\n/\n",
    ]) {
      expect(text).toContain(said);
    }
    expect(text).toContain("[Warning] One or more build-args [LOST] were not consumed\n");
  });

  test("RUN --mount: caches stay, tmpfs and parts of the context do not", async () => {
    const dockerfile = (more: string) =>
      [
        "FROM busybox",
        "ENV DIR=/cache/deep",
        "RUN --mount=type=cache,target=$DIR,mode=0711 echo line >> /cache/deep/f; wc -l < /cache/deep/f; stat -c %a /cache/deep",
        "RUN --mount=target=/ctx,source=sub --mount=type=tmpfs,target=/t cat /ctx/x; touch /t/y; touch /ctx/no || echo read-only",
        `RUN ls / # ${more}`,
      ].join("\n");
    const first = await make(dockerfile("1"), { "sub/": { type: "5" }, "sub/x": "bound" });
    expect(first.text).toContain("1\n711\n");
    expect(first.text).toContain("bound");
    expect(first.text).toContain("read-only");
    expect(await inside(first.id!, "ls -d /cache /ctx /t 2>/dev/null")).toBe("");
    const second = await make(dockerfile("2"), { "sub/": { type: "5" }, "sub/x": "other" }, { nocache: "1" });
    expect(second.text).toContain("2\n711\n");
    const third = await make(dockerfile("2"), { "sub/": { type: "5" }, "sub/x": "other" });
    expect(third.text).not.toContain("Running in");
  });

  test("a step's layer holds what it changed and nothing of the container's own", async () => {
    const { id } = await make(
      'FROM scratch\nCOPY busybox /bin/busybox\nENTRYPOINT []\nRUN ["/bin/busybox", "touch", "/made"]\nRUN ["/bin/busybox", "rm", "/made"]\n',
      { busybox: { content: new Uint8Array(await Bun.file("/bin/busybox").arrayBuffer()), mode: 0o755 } },
    );
    const { stdout: created } = await engine.docker(["create", id!, "/bin/busybox"]);
    const child = Bun.spawn(engine.command(["export", created.trim()]), { stdout: "pipe", stderr: "ignore" });
    const archive = await new Response(child.stdout).bytes();
    const names = (
      await new Response(Bun.spawn(["tar", "t"], { stdin: archive, stdout: "pipe" }).stdout).text()
    )
      .split("\n")
      .filter((name) => name !== "" && name !== ".dockerenv");
    expect(names).toEqual(["bin/", "bin/busybox"]);
    await engine.docker(["rm", created.trim()]);
  });

  describe("cache", () => {
    const dockerfile = "FROM busybox\nCOPY f /f\nARG X\nRUN cat /f; date +%N > /t\nENV Z=1\n";
    const uses = (text: string) => text.split("Using cache").length - 1;

    test("is used while nothing changed, times aside, and no further than the first change", async () => {
      const files = (content: string, mode = 0o644): Files => ({ f: { content, mode } });
      const first = await make(dockerfile, files("1"), { t: "cached" });
      expect((await make(dockerfile, files("1"))).id).toBe(first.id!);
      const changed = await make(dockerfile, files("2"));
      expect([uses(changed.text), changed.id === first.id]).toEqual([0, false]);
      expect(uses((await make(dockerfile, files("1", 0o600))).text)).toBe(0);
      const argument = await make(dockerfile, files("1"), { buildargs: JSON.stringify({ X: "y" }) });
      expect(uses(argument.text)).toBe(2);
      expect(uses((await make(dockerfile, files("1"), { nocache: "1" })).text)).toBe(0);
    });

    test("survives the engine, and goes with build prune", async () => {
      const files = { f: "kept" };
      const first = await make(dockerfile, files);
      await engine.stop();
      await engine.start();
      expect((await make(dockerfile, files)).id).toBe(first.id!);
      const pruned = (await (await call("/build/prune", { method: "POST" })).json()) as {
        CachesDeleted: string[];
        SpaceReclaimed: number;
      };
      expect(pruned.CachesDeleted).toContain(first.id!);
      expect(pruned.SpaceReclaimed).toBeGreaterThan(0);
      expect(uses((await make(dockerfile, files)).text)).toBe(0);
    });

    test("from an image that was built elsewhere", async () => {
      const files = { f: "elsewhere" };
      const first = await make(dockerfile, files, { t: "source:v1" });
      const { config } = { config: await inspect(first.id!) };
      // As if pulled: no parents, no keys.
      const history = await (await call("/images/source:v1/history")).json();
      expect(history).toHaveLength(5);
      expect(config.RootFS.Layers).toHaveLength(3);
      const nowhere = await make(dockerfile, files, { cachefrom: JSON.stringify(["not-here"]) });
      expect(uses(nowhere.text)).toBe(0);
      const again = await make(dockerfile, files, { cachefrom: JSON.stringify(["source:v1", "not-here"]) });
      expect(again.id).toBe(first.id!);
    });
  });

  describe("refusals and failures", () => {
    test("a command that fails ends the build with its code; its container stays unless --force-rm", async () => {
      const dockerfile = "FROM busybox\nRUN echo before; exit 7\nRUN never\n";
      const failed = await build(context(dockerfile));
      expect(failed.error).toEqual({
        code: 7,
        message: "The command '/bin/sh -c echo before; exit 7' returned a non-zero code: 7",
      });
      expect(failed.text).toContain("before\n");
      expect(failed.text).not.toContain("Step 3");
      const { stdout } = await engine.docker(["ps", "-aq"]);
      expect(stdout.trim().split("\n")).toHaveLength(1);
      await engine.docker(["rm", "-f", stdout.trim()]);
      await build(context(dockerfile), { forcerm: "1" });
      expect((await engine.docker(["ps", "-aq"])).stdout).toBe("");
    });

    test.each([
      ["FROM busybox\nFOO x", {}, "dockerfile parse error on line 2: unknown instruction: FOO"],
      [
        "FROM busybox\nCOPY nope /x",
        {},
        "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist",
      ],
      ["FROM busybox\nCOPY ../x /x", {}, "COPY failed: forbidden path outside the build context: ../x ()"],
      ["FROM busybox\nCOPY *.nope /x/", {}, "COPY failed: no source files were specified"],
      [
        "FROM busybox\nCOPY Dockerfile Dockerfile /etc/passwd",
        {},
        "When using COPY with more than one source file, the destination must be a directory and end with a /",
      ],
      ["FROM busybox\nCOPY http://x/y /x", {}, "source can't be a URL for COPY"],
      ["FROM busybox\nCOPY --chown=nobody-here Dockerfile /x", {}, "unable to convert uid/gid chown string"],
      ["FROM busybox\nCOPY --from=127.0.0.1:5000/nope x /x", {}, "127.0.0.1:5000/nope:latest"],
      ["FROM scratch\nRUN x", {}, "Please provide a source image with `from` prior to run"],
      ["FROM scratch", {}, "No image was generated. Is your Dockerfile empty?"],
      ["FROM busybox\nRUN --mount=type=ssh y", {}, "RUN --mount=type=ssh requires BuildKit"],
      ["FROM busybox\nSTOPSIGNAL NOPE", {}, "Invalid signal: NOPE"],
      ["FROM busybox", { dockerfile: "other" }, "Cannot locate specified Dockerfile: other"],
      ["FROM busybox", { dockerfile: "../other" }, "Forbidden path outside the build context: ../other"],
      ["FROM busybox", { t: "UPPER" }, "must be lowercase"],
      ["FROM busybox", { platform: "no/such/x/y" }, "cannot parse platform"],
      ["FROM busybox", { buildargs: "nope" }, "buildargs is not valid JSON"],
      ["FROM busybox", { remote: "https://127.0.0.1:1/a.git#-x" }, "invalid refspec: -x"],
      ["FROM busybox", { remote: "https://127.0.0.1:1/a.git" }, "unable to prepare context: git fetch of"],
    ] as [string, Record<string, string>, string][])("%s %j", async (dockerfile, query, message) => {
      const { error } = await build(context(dockerfile), query);
      expect(error?.message).toContain(message);
    });

    test.each([
      ["buildargs=[]", "expected record"],
      ["labels=1", "expected record"],
      ["cachefrom={}", "expected array"],
      ["memory=abc", "invalid syntax"],
      ["shmsize=-1", "SHM size can not be less than 0"],
      ["remote=foo", "is no URL"],
      ["squash=1", "squash is only supported with experimental mode"],
      ["isolation=hyperv", "unsupported isolation"],
    ])("POST /build?%s", async (query, message) => {
      const response = await call(`/build?${query}`, { method: "POST", body: context("FROM busybox") });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain(message);
    });

    test("a context that is no archive, or cut off, leaves nothing behind", async () => {
      expect((await build(Buffer.from("x".repeat(2000)))).error?.message).toContain(
        "Error processing tar file",
      );
      expect(
        (await build(context("FROM busybox", { big: "x".repeat(5000) }).slice(0, 3000))).error?.message,
      ).toContain("Error processing tar file");
      const builds = join(engine.dataRoot, "tmp", "builds");
      expect(existsSync(builds) ? readdirSync(builds) : []).toEqual([]);
    });

    test("-q says the id alone, and everything when it fails", async () => {
      const quiet = await make("FROM busybox\nENV Q=1", {}, { q: "1" });
      expect(quiet.lines).toHaveLength(1);
      expect(quiet.text).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      const failed = await build(context("FROM busybox\nRUN exit 3"), { q: "1", forcerm: "1" });
      expect(failed.text).toContain("Step 2/2 : RUN exit 3");
      expect(failed.error?.code).toBe(3);
    });

    test("cancelling ends the running step and removes its container", async () => {
      const running = build(context("FROM busybox\nRUN sleep 1000"), { buildid: "mine" });
      await until("the step", async () => (await engine.docker(["ps", "-q"])).stdout.trim());
      expect((await call("/build/cancel?id=mine", { method: "POST" })).status).toBe(204);
      expect((await running).error?.message).toBe("Build cancelled");
      expect((await engine.docker(["ps", "-aq"])).stdout).toBe("");
    });

    test("an engine that is killed in the midst of a step leaves nothing of it", async () => {
      const running = build(context("FROM busybox\nRUN sleep 1000")).catch(() => {});
      await until("the step", async () => (await engine.docker(["ps", "-q"])).stdout.trim());
      await engine.kill();
      await running;
      await engine.start();
      expect((await engine.docker(["ps", "-aq"])).stdout).toBe("");
      expect(existsSync(join(engine.dataRoot, "tmp", "builds"))).toBe(false);
    });

    test("so does a client that goes away", async () => {
      const gone = new AbortController();
      const running = build(context("FROM busybox\nRUN sleep 1000"), {}, { signal: gone.signal }).catch(
        () => {},
      );
      await until("the step", async () => (await engine.docker(["ps", "-q"])).stdout.trim());
      gone.abort();
      await running;
      await until("its end", async () => (await engine.docker(["ps", "-aq"])).stdout === "");
    });
  });

  test("contexts come compressed too; .dockerignore takes the Dockerfile itself out", async () => {
    const body = context("FROM busybox\nCOPY . /all/", {
      ".dockerignore": "Dockerfile\n.dockerignore\n",
      f: "x",
    });
    for (const compressed of [gzipSync(body), zstdCompressSync(body)]) {
      const { id, error } = await build(new Uint8Array(compressed));
      expect(error).toBeUndefined();
      expect(await inside(id!, "ls -A /all")).toBe("f\n");
    }
  });

  test("--pull asks the registry again", async () => {
    const { text, lines } = await make(`FROM ${registry.address}/busybox\n`, {}, { pull: "1" });
    expect(text).toContain("Successfully built");
    expect(lines.some((line) => line.status?.startsWith("Status: Image is up to date"))).toBe(true);
  });
});
