// What the client does without an engine: completion, plugins, contexts (in one store with the real CLI), .dockerignore, paths of cp.
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IgnoreRules, readPatterns } from "../../src/roles/docker/build/ignore.ts";
import { localSource, localTarget, plan, splitArgument } from "../../src/roles/docker/copy/path.ts";
import { sshCommand } from "../../src/wire/engine/ssh.ts";
import { realDocker } from "../support/binary.ts";
import { type Result, run } from "../support/process.ts";

const ours = [
  join(import.meta.dir, "../../node_modules/.bin/bun"),
  join(import.meta.dir, "../../src/main.ts"),
  "docker",
];
const dir = mkdtempSync(join(tmpdir(), "bunker-surroundings-"));
afterAll(() => rmSync(dir, { recursive: true }));

const docker = (args: string[], env: Record<string, string> = {}, stdin?: string): Promise<Result> =>
  run([...ours, ...args], { env: { DOCKER_CONFIG: join(dir, "config"), ...env }, stdin });

describe("completion", () => {
  const complete = async (...words: string[]) => (await docker(["__complete", ...words])).stdout.split("\n");
  test("commands, their flags, values", async () => {
    expect(await complete("im")).toEqual([
      "image\tManage images",
      "images\tList images",
      "import\tImport the contents from a tarball to create a filesystem image",
      ":4",
      "",
    ]);
    expect(await complete("network", "p")).toEqual(["prune\tRemove all unused networks", ":4", ""]);
    expect(await complete("ps", "--fi")).toEqual([
      "--filter\tFilter output based on conditions provided",
      ":4",
      "",
    ]);
    expect(await complete("run", "--restart=on")).toEqual(["--restart=on-failure", ":4", ""]);
    expect(await complete("--context", "")).toEqual(["default", ":4", ""]);
  });
  test.each(["bash", "fish", "powershell", "zsh"])("the script for %s asks __complete", async (shell) => {
    const { code, stdout } = await docker(["completion", shell]);
    expect(code).toBe(0);
    expect(stdout).toContain("__complete");
  });
  test("bash follows its script", async () => {
    const script = (await docker(["completion", "bash"])).stdout;
    // `docker` inside the script is whatever the words begin with.
    const wrapper = join(dir, "docker");
    writeFileSync(wrapper, `#!/bin/sh\nexec ${ours.join(" ")} "$@"\n`);
    chmodSync(wrapper, 0o755);
    const told = await run([
      "bash",
      "-c",
      `${script}\nCOMP_WORDS=(${wrapper} container pr); COMP_CWORD=2; _docker_complete; echo "\${COMPREPLY[@]}"`,
    ]);
    expect(told.stdout).toBe("prune\n");
  });
});

describe("plugins", () => {
  const plugins = join(dir, "config", "cli-plugins");
  mkdirSync(plugins, { recursive: true });
  writeFileSync(
    join(plugins, "docker-hello"),
    '#!/bin/sh\n[ "$1" = docker-cli-plugin-metadata ] && { echo \'{"SchemaVersion":"0.1.0","Vendor":"me","Version":"1.2","ShortDescription":"Says hello"}\'; exit; }\necho "hello $*"; exit 3\n',
    { mode: 0o755 },
  );
  test("get the whole command line, and their exit code is ours", async () => {
    expect(await docker(["hello", "a", "-x"])).toEqual({ code: 3, stdout: "hello hello a -x\n", stderr: "" });
    expect((await docker(["-l", "warn", "hello"])).stdout).toBe("hello -l warn hello\n");
  });
  test("show up in info and completion", async () => {
    const { stdout } = await docker(
      ["info", "-f", "{{range .ClientInfo.Plugins}}{{.Name}} {{.Version}}{{end}}"],
      {
        DOCKER_HOST: "unix:///proc/nonexistent",
      },
    );
    expect(stdout).toBe("hello 1.2\n");
    expect((await docker(["__complete", "hel"])).stdout).toBe("hello\tSays hello\n:4\n");
  });
  test("an unknown word is none", async () => {
    expect(await docker(["nosuch"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("unknown command: docker nosuch"),
    });
  });
});

describe.skipIf(!realDocker)("contexts, by both clients in turn", () => {
  const clients = { ours, theirs: [realDocker!] };
  /** Each line runs with both, each in a store of its own, and says the same. */
  const lines: string[][] = [
    ["context", "ls"],
    ["context", "create", "foo", "--description", "d1", "--docker", "host=tcp://h:1"],
    ["context", "create", "foo"],
    ["context", "create", "a"],
    ["context", "create", "default"],
    ["context", "create", "bad", "--docker", "nokey=1"],
    ["context", "create", "bar", "--docker", "host=ssh://me@x"],
    ["context", "create", "copy", "--from", "foo"],
    ["context", "ls"],
    ["context", "ls", "-q"],
    ["context", "ls", "--format", "json"],
    ["context", "ls", "--format", "{{.Name}}={{.DockerEndpoint}}"],
    ["context", "inspect", "foo"],
    ["context", "inspect"],
    ["context", "inspect", "-f", "{{.Endpoints.docker.Host}}", "foo", "bar"],
    ["context", "inspect", "absent"],
    ["context", "show"],
    ["context", "use", "foo"],
    ["context", "show"],
    ["context", "ls"],
    ["context", "use", "absent"],
    ["context", "rm", "foo"],
    ["context", "update", "bar", "--description", "new", "--docker", "host=unix:///x"],
    ["context", "inspect", "bar"],
    ["context", "export", "bar", "@/bar.tar"],
    ["context", "import", "again", "@/bar.tar"],
    ["context", "inspect", "again"],
    ["context", "rm", "absent", "default", "copy"],
    ["context", "rm", "-f", "foo", "absent"],
    ["context", "use", "default"],
    ["--context", "absent", "ps"],
  ];
  test("the same words", async () => {
    const told: Record<string, unknown[]> = {};
    for (const [name, command] of Object.entries(clients)) {
      const config = join(dir, `contexts-${name}`);
      told[name] = [];
      for (const line of lines) {
        const words = line.map((word) => word.replace(/^@/, config));
        const { code, stdout, stderr } = await run([...command, ...words], {
          env: { DOCKER_CONFIG: config },
        });
        const plain = (text: string) => text.replaceAll(config, "CONFIG");
        told[name].push({ line, code, stdout: plain(stdout), stderr: plain(stderr) });
      }
    }
    expect(told["ours"]).toEqual(told["theirs"]);
  });
  test("one reads what the other wrote", async () => {
    const env = { DOCKER_CONFIG: join(dir, "shared") };
    await run([...ours, "context", "create", "one", "--docker", "host=tcp://h:2"], { env });
    await run([realDocker!, "context", "create", "two", "--docker", "host=tcp://h:3"], { env });
    const list = await run([...ours, "context", "ls", "-q"], { env });
    expect(list.stdout).toBe("default\none\ntwo\n");
    expect((await run([realDocker!, "context", "ls", "-q"], { env })).stdout).toBe(list.stdout);
  });
});

describe(".dockerignore", () => {
  const rules = (...patterns: string[]) => new IgnoreRules(readPatterns(patterns.join("\n")));
  test("patterns", () => {
    const some = rules("# a comment", "*/temp*", "*/*/temp*", "temp?", "/abs/", "**/*.go", "!keep.go");
    const told = [
      "temp",
      "tempa",
      "dir/temp.x",
      "dir/sub/temporary",
      "a/b/c/temp",
      "abs/x",
      "x.go",
      "a/b/x.go",
      "keep.go",
    ];
    expect(told.filter((path) => some.ignores(path))).toEqual([
      "tempa",
      "dir/temp.x",
      "dir/sub/temporary",
      "abs/x",
      "x.go",
      "a/b/x.go",
    ]);
  });
  test("the last match decides, and a way is left to exceptions", () => {
    const some = rules("docs", "!docs/README.md", "**/*.md", "!docs/kept/*.md");
    expect(some.ignores("docs/README.md")).toBe(true);
    expect(some.ignores("docs/kept/a.md")).toBe(false);
    expect(some.choose("docs", true)).toBe("within");
    expect(rules("docs").choose("docs", true)).toBe("leave");
    expect(rules("*", "!a").choose("a", false)).toBe("take");
  });
});

describe("paths of cp", () => {
  const root = join(dir, "cp");
  mkdirSync(join(root, "there"), { recursive: true });
  writeFileSync(join(root, "file"), "");
  symlinkSync("there", join(root, "link"));
  test("container or local", () => {
    expect(splitArgument("c:/x")).toEqual({ container: "c", path: "/x" });
    expect(splitArgument("./c:x")).toEqual({ container: "", path: "./c:x" });
    expect(splitArgument("/c:x")).toEqual({ container: "", path: "/c:x" });
    expect(splitArgument("x")).toEqual({ container: "", path: "x" });
  });
  test("where it goes, and under which name", () => {
    const file = localSource(join(root, "file"), false);
    const folder = localSource(join(root, "there"), false);
    expect(plan(file, localTarget(join(root, "there")))).toEqual({ directory: join(root, "there") });
    expect(plan(file, localTarget(join(root, "new")))).toEqual({ directory: root, rename: "new" });
    expect(plan(folder, localTarget(join(root, "new")))).toEqual({ directory: root, rename: "new" });
    expect(plan(file, localTarget(join(root, "link")))).toEqual({ directory: join(root, "there") });
    expect(() => plan(file, localTarget(`${join(root, "new")}/`))).toThrow("no such directory");
    expect(() => plan(folder, localTarget(join(root, "file")))).toThrow("cannot copy directory");
    expect(() => localSource(join(root, "absent"), false)).toThrow("no such file or directory");
    expect(localSource(join(root, "link"), true)).toMatchObject({ directory: true, rename: "link" });
    expect(localSource(join(root, "link"), false)).toMatchObject({ directory: false });
  });
});

test("ssh hosts", () => {
  expect(sshCommand("ssh://me@h.example:22/run/my docker.sock")).toEqual([
    "ssh",
    "-l",
    "me",
    "-p",
    "22",
    "-o",
    "ConnectTimeout=30",
    "-T",
    "--",
    "h.example",
    "docker '--host=unix:///run/my docker.sock' system dial-stdio",
  ]);
  expect(() => sshCommand("ssh://me:pw@h")).toThrow("plain-text password is not supported");
});
