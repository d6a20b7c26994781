// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles are full of them
// BuildKit's way into /build, driven by a client nobody here wrote: Debian's docker CLI 20.10 with DOCKER_BUILDKIT=1, whose
// session serves the context, secrets and the ssh agent.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ImageHistoryItem, ImageInspect } from "../../src/spec/engine/image.ts";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, run, until } from "../support/process.ts";
import { tar } from "../support/tar.ts";

const CLI = "/usr/bin/docker";
const why = !built
  ? "dist/bunker is not built"
  : !existsSync(CLI)
    ? "Debian's docker CLI (package docker.io) is not installed"
    : !/version 20\.10/.test(Bun.spawnSync([CLI, "--version"]).stdout.toString())
      ? `${CLI} is not the one that speaks BuildKit by itself (20.10)`
      : !Bun.which("skopeo")
        ? "skopeo is not installed"
        : undefined;

describe.skipIf(why !== undefined)(why ? `BuildKit builds (skipped: ${why})` : "BuildKit builds", () => {
  let netns: Netns;
  let engine: Engine;
  let scratch: string;
  let count = 0;
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`http://docker${path}`, { ...init, unix: engine.host.replace("unix://", "") } as RequestInit);

  beforeAll(async () => {
    netns = await makeNetns();
    engine = await startEngine(netns);
    scratch = mkdtempSync(join(tmpdir(), "bunker-buildkit-"));
    await engine.docker(["load", "-i", await busyboxArchive(scratch)]);
  }, 120_000);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  }, 60_000);

  async function busyboxArchive(directory: string): Promise<string> {
    const archive = join(directory, "busybox.tar");
    const layout = await busyboxImage();
    await run(["skopeo", "copy", "-q", `oci:${layout}`, `docker-archive:${archive}:busybox:latest`]);
    return archive;
  }

  function makeContext(files: Record<string, string>): string {
    const directory = join(scratch, `context-${count++}`);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), content);
    }
    return directory;
  }

  /** `docker build` in a new context. */
  async function build(
    files: Record<string, string> | string,
    args: string[] = [],
    options: { env?: Record<string, string>; stdin?: Uint8Array } = {},
  ) {
    const context = typeof files === "string" ? files : makeContext(files);
    const result = await run(
      netns.inside([CLI, "-H", engine.host, "build", "--progress=plain", "-t", "made", ...args, context]),
      { ...options, env: { DOCKER_BUILDKIT: "1", DOCKER_CONFIG: join(scratch, "config"), ...options.env } },
    );
    return { code: result.code, said: result.stderr + result.stdout };
  }
  const make = async (...args: Parameters<typeof build>) => {
    const { code, said } = await build(...args);
    if (code !== 0) throw new Error(said);
    return said;
  };
  const inside = async (command: string, image = "made") =>
    (await engine.docker(["run", "--rm", "--entrypoint", "sh", image, "-c", command])).stdout;
  const inspect = async (id: string) => (await (await call(`/images/${id}/json`)).json()) as ImageInspect;

  test("files from the client, steps on its screen, history and configuration as BuildKit writes them", async () => {
    const said = await make({
      Dockerfile:
        '# syntax=docker/dockerfile:1.4\nFROM busybox\nARG WHO=me\nENV A=b\nWORKDIR /w\nCOPY a.txt sub ./\nRUN echo to $WHO > out; echo seen\nCMD ["x"]\n',
      "a.txt": "A",
      "sub/b.txt": "B",
      "unused.bin": "u".repeat(100_000),
    });
    expect(said).toContain("[internal] load build definition from Dockerfile");
    expect(said).toMatch(/\[1\/4\] FROM docker.io\/library\/busybox:latest/);
    expect(said).toMatch(/\[3\/4\] COPY a.txt sub .\//);
    expect(said).toContain("seen");
    expect(said).toMatch(/writing image sha256:[0-9a-f]{64}/);
    expect(await inside("cat a.txt b.txt out; ls")).toBe("ABto me\na.txt\nb.txt\nout\n");
    const { Config } = await inspect("made");
    expect(Config?.Cmd).toEqual(["x"]);
    expect(Config?.Env).toContain("A=b");
    const history = (await (await call("/images/made/history")).json()) as ImageHistoryItem[];
    expect(history.map(({ CreatedBy }) => CreatedBy).slice(0, 4)).toEqual([
      'CMD ["x"]',
      "RUN |1 WHO=me /bin/sh -c echo to $WHO > out; echo seen # buildkit",
      "COPY a.txt sub ./ # buildkit",
      "WORKDIR /w",
    ]);
    expect(history[0]!.Comment).toBe("buildkit.dockerfile.v0");
  }, 60_000);

  test(".dockerignore, symlinks, modes and odd names come as they are; only what is named comes", async () => {
    const context = makeContext({
      Dockerfile: "FROM busybox\nCOPY . /all\n",
      ".dockerignore": "# comment\nskipped\n**/*.tmp\n!keep.tmp\n",
      "skipped/no": "n",
      "deep/x.tmp": "x",
      "keep.tmp": "k",
      "näme with blank": "ö",
      big: "b".repeat(3 << 20),
      "bin/tool": "#!/bin/sh\n",
    });
    chmodSync(join(context, "bin/tool"), 0o755);
    symlinkSync("../big", join(context, "deep/link"));
    const said = await make(context);
    expect(said).toMatch(/transferring context: 3\.\d+MB/);
    expect(
      await inside("cd /all; find . | sort; stat -c '%a %u' bin/tool; readlink deep/link; wc -c < deep/link"),
    ).toBe(
      "./.dockerignore\n./Dockerfile\n./big\n./bin\n./bin/tool\n./deep\n./deep/link\n./keep.tmp\n./näme with blank\n.\n755 0\n../big\n3145728\n"
        .replace(".\n755", "755")
        .replace("./.dockerignore", ".\n./.dockerignore"),
    );
    writeFileSync(join(context, "Other.dockerignore"), "*\n!keep.tmp\n");
    writeFileSync(join(context, "Other"), "FROM busybox\nCOPY . /all\n");
    await make(context, ["-f", join(context, "Other")]);
    expect(await inside("ls -A /all")).toBe("keep.tmp\n");
  }, 60_000);

  test("a step that is known is CACHED, until a file that it copies changes", async () => {
    const files = {
      Dockerfile: "FROM busybox\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid > /stamp\n",
      f: "1",
    };
    await make(files);
    const first = await inside("cat /stamp");
    expect(await make(files)).toMatch(/\[3\/3\] RUN cat .*uuid > \/stamp\n.*\n#\d+ CACHED/);
    expect(await inside("cat /stamp")).toBe(first);
    await make({ ...files, f: "2" });
    expect(await inside("cat /f")).toBe("2");
    const again = await inside("cat /stamp");
    expect(again).not.toBe(first);
    await make({ ...files, f: "2" }, ["--no-cache"]);
    expect(await inside("cat /stamp")).not.toBe(again);
  }, 60_000);

  test("stages that the target does not need are left out, platform arguments are there", async () => {
    const said = await make(
      {
        Dockerfile:
          "ARG BASE=busybox\nFROM $BASE AS a\nRUN echo a > /a\nFROM busybox AS broken\nRUN exit 9\n" +
          "FROM --platform=$BUILDPLATFORM busybox AS b\nARG TARGETPLATFORM\nARG TARGETARCH\n" +
          "RUN echo $TARGETPLATFORM $TARGETARCH > /p\nFROM busybox\nCOPY --from=a /a /a\nCOPY --from=b /p /p\n",
      },
      [],
    );
    expect(said).not.toContain("exit 9");
    expect(said).toContain("[stage-3 2/3] COPY --from=a /a /a");
    expect(said).toContain("[a 2/2] RUN echo a > /a");
    const arch = { x64: "amd64", arm64: "arm64" }[process.arch as "x64" | "arm64"];
    expect(await inside("cat /a /p")).toBe(`a\nlinux/${arch} ${arch}\n`);
  }, 60_000);

  test("secrets: a file, a variable, none where none is asked for; they stay out of image, history and engine", async () => {
    const secret = join(scratch, "secret");
    writeFileSync(secret, "open sesame");
    const args = ["--secret", `id=key,src=${secret}`];
    const said = await make(
      {
        Dockerfile: `FROM busybox
RUN --mount=type=secret,id=key cat /run/secrets/key | md5sum > /sum; stat -c '%a %u' /run/secrets/key > /mode
RUN --mount=type=secret,id=key,target=/etc/key,mode=0440,uid=5 stat -c '%a %u' /etc/key >> /mode
RUN --mount=type=secret,id=key,env=KEY echo "\${#KEY}" > /length
RUN --mount=type=secret,id=nobody test ! -e /run/secrets/nobody
`,
      },
      args,
    );
    expect(said).not.toContain("open sesame");
    const sum = new Bun.CryptoHasher("md5").update("open sesame").digest("hex");
    expect(await inside("cat /sum /mode /length; ls /run/secrets /etc/key 2>&1 | wc -l")).toBe(
      `${sum}  -\n400 0\n440 5\n11\n2\n`,
    );
    expect(JSON.stringify(await (await call("/images/made/history")).json())).not.toContain("sesame");
    const secrets = join(engine.execRoot, "build-secrets");
    expect(
      existsSync(secrets)
        ? readdirSync(secrets, { recursive: true }).filter((name) => /secret-/.test(String(name)))
        : [],
    ).toEqual([]);
    const { code, said: refused } = await build({
      Dockerfile: "FROM busybox\nRUN --mount=type=secret,id=nobody,required=true true\n",
    });
    expect(code).toBe(1);
    expect(refused).toContain("secret nobody: not found");
  }, 60_000);

  test("ssh: a step talks to the client's agent", async () => {
    // An agent that answers each request with its own bytes is enough to see the way there and back.
    const path = join(scratch, "agent.sock");
    const agent = Bun.listen({ unix: path, socket: { data: (socket, data) => void socket.write(data) } });
    try {
      await make(
        {
          Dockerfile: `FROM busybox
RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK > /where && stat -c %a $SSH_AUTH_SOCK >> /where
RUN --mount=type=ssh,target=/agent,required=true echo hello agent | timeout 10 nc local:/agent > /answer || true
RUN test ! -e /run/buildkit/ssh_agent.0
`,
        },
        ["--ssh", `default=${path}`],
      );
      expect(await inside("cat /where")).toBe("/run/buildkit/ssh_agent.0\n600\n");
    } finally {
      agent.stop(true);
    }
    const { code, said } = await build({
      Dockerfile: "FROM busybox\nRUN --mount=type=ssh,required=true true\n",
    });
    expect(code).toBe(1);
    expect(said).toContain("unset ssh forward key default");
  }, 60_000);

  test("RUN --mount of stages and images, writable ones whose writes are thrown away, caches that lock", async () => {
    await make({
      Dockerfile: `FROM busybox AS other
RUN mkdir /d && echo from other > /d/f
FROM busybox
RUN --mount=from=other,source=/d,target=/m cat /m/f > /1; touch /m/x || echo read-only > /2
RUN --mount=from=other,target=/m,rw touch /m/x && cat /m/d/f >> /1
RUN --mount=from=busybox,source=/bin,target=/m ls /m/sh > /3
RUN --mount=type=bind,target=/c,source=.,rw cat /c/f > /4 && echo changed > /c/f
RUN --mount=type=bind,target=/c cat /c/f >> /4
RUN --mount=type=cache,target=/k,sharing=locked,uid=7 echo 1 >> /k/n && stat -c %u /k > /5
RUN --mount=type=cache,target=/k,sharing=locked wc -l < /k/n >> /5
RUN --mount=type=tmpfs,target=/t,size=1m df /t | grep -q tmpfs
`,
      f: "context\n",
    });
    expect(await inside("cat /1 /2 /3 /4 /5; ls -d /m /c /k /t 2>/dev/null")).toBe(
      "from other\nfrom other\nread-only\n/m/sh\ncontext\ncontext\n7\n1\n",
    );
    const builds = join(engine.dataRoot, "tmp", "builds");
    expect(readdirSync(builds)).toEqual([]);
  }, 60_000);

  test("COPY --link, --parents, --exclude, --chmod, --chown", async () => {
    await make({
      Dockerfile: `FROM busybox
RUN mkdir /real && ln -s /real /link
COPY --link --chmod=0600 --chown=3:4 a/x.txt /link/x.txt
COPY --parents a/b/c.txt a/./b/c.txt /p/
COPY --exclude=*.md --exclude=b a /e/
`,
      "a/x.txt": "x",
      "a/y.md": "y",
      "a/b/c.txt": "c",
    });
    expect(
      await inside("stat -c '%F %a %u:%g' /link /link/x.txt; ls /real; cd /p; find . -type f | sort; ls /e"),
    ).toBe("directory 755 3:4\nregular file 600 3:4\n./a/b/c.txt\n./b/c.txt\nx.txt\n");
  }, 60_000);

  test("what fails says why: a command, a file, a syntax line, the Dockerfile", async () => {
    const fails = async (dockerfile: string, words: string) => {
      const { code, said } = await build({ Dockerfile: dockerfile });
      expect(code).toBe(1);
      expect(said).toContain(words);
    };
    await fails(
      "FROM busybox\nRUN echo so; exit 3\n",
      'process "/bin/sh -c echo so; exit 3" did not complete successfully: exit code: 3',
    );
    await fails("FROM busybox\nCOPY missing /\n", "missing");
    await fails("# syntax=evil/frontend:1\nFROM busybox\n", "this engine runs no frontends");
    await fails("FROM busybox\nNONSENSE\n", "unknown instruction: NONSENSE");
    const { said } = await build({ "other.txt": "" });
    expect(said).toContain("failed to read dockerfile: open Dockerfile: no such file or directory");
  }, 60_000);

  test("-q says the id alone, --iidfile has it, a context comes by stdin", async () => {
    const iid = join(scratch, "iid");
    const id = (await make({ Dockerfile: "FROM busybox\nENV Q=1\n" }, ["-q"])).trim();
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    await make({ Dockerfile: "FROM busybox\nENV Q=1\n" }, ["--iidfile", iid]);
    expect(await Bun.file(iid).text()).toBe(id);
    const dockerfile = new TextEncoder().encode("FROM busybox\nENV FROM=stdin\n");
    await make("-", [], { stdin: dockerfile });
    expect((await inspect("made")).Config?.Env).toContain("FROM=stdin");
    const archive = tar([
      { name: "Dockerfile", content: "FROM busybox\nCOPY f /f\n" },
      { name: "f", content: "in a tar" },
    ]);
    await make("-", [], { stdin: archive });
    expect(await inside("cat /f")).toBe("in a tar");
  }, 60_000);

  test("-o: files into a directory of the client's, a tar, and what cannot be had", async () => {
    const files = {
      Dockerfile: "FROM scratch\nCOPY --chmod=0640 big /big\nCOPY d /d\nENV NOT=asked\n",
      big: "b".repeat((5 << 20) + 3),
      "d/one": "1",
      "d/e/two": "22",
      "d/empty": "",
    };
    const context = makeContext(files);
    symlinkSync("e/two", join(context, "d/link"));
    const out = join(scratch, "out");
    await make(context, ["-o", out]);
    const listed = readdirSync(out, { recursive: true }).map(String).sort();
    expect(listed).toEqual(["big", "d", "d/e", "d/e/two", "d/empty", "d/link", "d/one"]);
    expect(await Bun.file(join(out, "big")).text()).toBe(files.big);
    expect(await Bun.file(join(out, "d/link")).text()).toBe("22");
    expect(statSync(join(out, "big")).mode & 0o7777).toBe(0o640);
    await make(context, ["-o", `type=tar,dest=${out}.tar`]);
    const names = await must(["tar", "-tf", `${out}.tar`]);
    expect(names).toBe("big\nd/\nd/e/\nd/e/two\nd/empty\nd/link\nd/one\n");
    const { code, said } = await build(context, ["-o", "type=oci,dest=/dev/null"]);
    expect(code).toBe(1);
    expect(said).toContain("output of type oci is not implemented");
  }, 60_000);

  test("a client that goes ends its build", async () => {
    const context = makeContext({ Dockerfile: "FROM busybox\nRUN echo begun; sleep 1000\n" });
    const child = Bun.spawn(netns.inside([CLI, "-H", engine.host, "build", "--progress=plain", context]), {
      env: { DOCKER_BUILDKIT: "1", PATH: process.env["PATH"]!, DOCKER_CONFIG: join(scratch, "config") },
      stdout: "ignore",
      stderr: "pipe",
    });
    let said = "";
    for await (const chunk of child.stderr) {
      said += Buffer.from(chunk).toString();
      if (/^#\d+ [\d.]+ begun/m.test(said)) break;
    }
    child.kill("SIGINT");
    await child.exited;
    const running = async () => (await (await call("/containers/json")).json()) as unknown[];
    await until("the step's container to end", async () => (await running()).length === 0);
  }, 60_000);

  test("an engine killed in the midst of a step leaves no mounts, secrets or files of it", async () => {
    const secret = join(scratch, "secret-of-the-killed");
    writeFileSync(secret, "sesame");
    const context = makeContext({
      Dockerfile: `FROM busybox AS other
RUN touch /x
FROM busybox
RUN --mount=from=other,target=/m,rw --mount=type=secret,id=s echo begun; sleep 1000
`,
    });
    const child = Bun.spawn(
      netns.inside([
        CLI,
        "-H",
        engine.host,
        "build",
        "--progress=plain",
        "--secret",
        `id=s,src=${secret}`,
        context,
      ]),
      {
        env: { DOCKER_BUILDKIT: "1", PATH: process.env["PATH"]!, DOCKER_CONFIG: join(scratch, "config") },
        stdout: "ignore",
        stderr: "pipe",
      },
    );
    let said = "";
    for await (const chunk of child.stderr) {
      said += Buffer.from(chunk).toString();
      if (/^#\d+ [\d.]+ begun/m.test(said)) break;
    }
    const mounts = () =>
      readFileSync("/proc/self/mounts", "utf8")
        .split("\n")
        .filter((line) => line.includes(builds));
    const builds = join(engine.dataRoot, "tmp", "builds");
    expect(mounts()).toHaveLength(1);
    await engine.kill();
    await child.exited;
    await engine.start();
    await until("what the build left to be gone", () => !existsSync(builds));
    expect(mounts()).toEqual([]);
    expect(existsSync(join(engine.execRoot, "build-secrets"))).toBe(false);
    expect(await (await call("/containers/json?all=1")).json()).toEqual([]);
  }, 60_000);
});
