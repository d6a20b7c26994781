// Contexts and ADD sources that are git repositories, served by git's own daemon on loopback.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, plainEnvironment, run, until } from "../support/process.ts";

const why = !built
  ? "dist/bunker is not built"
  : !existsSync("/usr/lib/git-core/git-daemon")
    ? "git is not installed"
    : undefined;

const URL = "git://127.0.0.1/repo.git";

describe.skipIf(why !== undefined)(why ? `git contexts (skipped: ${why})` : "git contexts", () => {
  let netns: Netns;
  let engine: Engine;
  let scratch: string;
  let daemon: Bun.Subprocess;
  let first: string;

  beforeAll(async () => {
    netns = await makeNetns();
    engine = await startEngine(netns);
    scratch = mkdtempSync(join(tmpdir(), "bunker-git-"));
    const repo = join(scratch, "repo.git");
    const git = (...words: string[]) =>
      must(["git", "-C", repo, "-c", "user.name=t", "-c", "user.email=t@t", ...words]);
    mkdirSync(join(repo, "sub"), { recursive: true });
    writeFileSync(join(repo, "Dockerfile"), "FROM scratch\nCOPY . /\nLABEL which=first\n");
    writeFileSync(join(repo, "f"), "one");
    await git("init", "-q", "-b", "main");
    await git("add", ".");
    await git("commit", "-qm", "first");
    first = (await git("rev-parse", "HEAD")).trim();
    writeFileSync(join(repo, "sub/Dockerfile"), "FROM scratch\nCOPY . /\nLABEL which=sub\n");
    writeFileSync(join(repo, "Dockerfile"), "FROM scratch\nCOPY . /\nLABEL which=second\n");
    symlinkSync("/etc", join(repo, "out"));
    await git("add", ".");
    await git("commit", "-qm", "second");
    await git("tag", "v2");
    daemon = Bun.spawn(
      netns.inside([
        "/usr/lib/git-core/git-daemon",
        "--export-all",
        `--base-path=${scratch}`,
        "--listen=127.0.0.1",
        "--reuseaddr",
      ]),
      { env: plainEnvironment(), stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    );
    await until("the git daemon", async () => {
      const asked = await run(netns.inside(["git", "ls-remote", URL]));
      return asked.code === 0;
    });
  }, 60_000);

  afterAll(async () => {
    daemon?.kill();
    await daemon?.exited;
    await engine?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  }, 60_000);

  const call = (path: string, init: RequestInit = {}) =>
    fetch(`http://docker${path}`, { ...init, unix: engine.host.replace("unix://", "") } as RequestInit);
  async function build(query: Record<string, string>, body?: string): Promise<string> {
    const response = await call(`/build?${new URLSearchParams({ t: "made", ...query })}`, {
      method: "POST",
      ...(body === undefined ? {} : { body }),
    });
    return await response.text();
  }
  const which = async () => {
    const image = (await (await call("/images/made/json")).json()) as {
      Config: { Labels: { which: string } };
    };
    return image.Config.Labels.which;
  };
  const files = async () => {
    const { stdout } = await engine.docker(["create", "made", "x"]);
    const id = stdout.trim();
    await must(
      netns.inside([
        "sh",
        "-c",
        `${join(engine.bin, "docker")} -H ${engine.host} export ${id} > ${scratch}/x.tar`,
      ]),
    );
    const list = await must(["tar", "-tf", join(scratch, "x.tar")]);
    return list
      .split("\n")
      .filter((name) => /^(f|Dockerfile|out|sub|\.git)\/?$/.test(name))
      .sort();
  };

  for (const version of ["1", "2"]) {
    test(`a branch, a tag, a commit, a directory (version ${version})`, async () => {
      for (const [remote, label] of [
        [URL, "second"],
        [`${URL}#v2`, "second"],
        [`${URL}#${first}`, "first"],
        [`${URL}#main:sub`, "sub"],
      ] as const) {
        expect(await build({ remote, version })).not.toContain("errorDetail");
        expect(await which()).toBe(label);
      }
      expect(await files()).toEqual(["Dockerfile"]);
      await build({ remote: URL, version });
      expect(await files()).toEqual([
        ...(version === "1" ? [".git/"] : []),
        "Dockerfile",
        "f",
        "out",
        "sub/",
      ]);
    }, 60_000);
  }

  test("what is not there, and what leads out of the repository", async () => {
    expect(await build({ remote: `${URL}#nowhere` })).toContain("unable to prepare context: git fetch of");
    expect(await build({ remote: `${URL}#v2:missing` })).toContain(
      "missing is not in git://127.0.0.1/repo.git",
    );
    expect(await build({ remote: `${URL}#v2:out` })).toContain("out is not in git://127.0.0.1/repo.git");
    expect(readdirSync(join(engine.dataRoot, "tmp/builds"))).toEqual([]);
  });

  test("ADD of a repository", async () => {
    const context = join(scratch, "context");
    mkdirSync(context);
    writeFileSync(join(context, "Dockerfile"), `FROM scratch\nADD ${URL}#v2 /\n`);
    await must(["tar", "-C", context, "-cf", join(scratch, "context.tar"), "."]);
    const response = await call("/build?t=made", {
      method: "POST",
      body: Bun.file(join(scratch, "context.tar")),
      headers: { "Content-Type": "application/x-tar" },
    });
    expect(await response.text()).not.toContain("errorDetail");
    expect(await files()).toEqual(["Dockerfile", "f", "out", "sub/"]);
  }, 60_000);
});
