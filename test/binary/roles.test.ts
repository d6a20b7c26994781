// One file, many names: argv[0] picks the role; and nothing in the surroundings of a root daemon steers it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, bunker } from "../support/binary.ts";
import { run } from "../support/process.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "bunker-roles-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A symlink to a symlink to the binary, under the given name. */
function called(name: string): string {
  const far = join(dir, `far-${name}`);
  const near = join(dir, name);
  symlinkSync(bunker, far);
  symlinkSync(far, near);
  return near;
}

describe.skipIf(!built)(built ? "the binary" : "the binary (skipped: dist/bunker is not built)", () => {
  test("--version names version, commit and the specs", async () => {
    const { code, stdout } = await run([bunker, "--version"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^bunker version \d+\.\d+\.\d+, commit [0-9a-f]{12}\n/);
    for (const spec of [
      "Engine API",
      "OCI runtime spec",
      "OCI image spec",
      "OCI distribution spec",
      "shim protocol",
    ]) {
      expect(stdout).toContain(spec);
    }
  });

  test("an unknown name gives a usage text and exit 64", async () => {
    for (const command of [[called("nonsense")], [bunker, "nonsense"], [bunker]]) {
      const { code, stdout, stderr } = await run(command);
      expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
      expect(stderr).toContain("Usage: bunker ROLE");
    }
  });

  test.each([
    ["docker", "Docker version"],
    ["dockerd", "Docker version"],
    ["containerd", "containerd "],
    ["docker-containerd", "containerd "],
    ["ctr", "ctr "],
    ["docker-containerd-ctr", "ctr "],
    ["runc", "runc version"],
    ["docker-runc", "runc version"],
  ])("%s through two symlinks", async (name, begins) => {
    const { code, stdout, stderr } = await run([called(name), "--version"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toStartWith(begins);
  });

  test.each(["containerd-shim-bunker-v2", "containerd-shim-runc-v2", "docker-containerd-shim", "shim"])(
    "%s -v",
    async (name) => {
      const { code, stdout } = await run([called(name), "-v"]);
      expect(code).toBe(0);
      expect(stdout).toContain("Version:");
    },
  );

  test("docker daemon is the engine", async () => {
    const { code, stdout } = await run([bunker, "docker", "daemon", "--version"]);
    expect(code).toBe(0);
    expect(stdout).toStartWith("Docker version");
  });

  test("install refuses what it does not know, and helps", async () => {
    const unknown = await run([bunker, "install", "--nowhere"]);
    expect(unknown.code).toBe(64);
    expect(unknown.stderr).toContain("nowhere");
    const help = await run([bunker, "install", "--help"]);
    expect(help.code).toBe(0);
    expect(help.stdout).toContain("--prefix");
  });

  test("install lays the symlinks, twice without harm, and never over a stranger's file", async () => {
    const prefix = join(dir, "prefix");
    for (let round = 0; round < 2; round++) {
      expect((await run([bunker, "install", "--prefix", prefix])).code).toBe(0);
    }
    expect(readlinkSync(join(prefix, "bin", "runc"))).toEndWith("dist/bunker");
    expect((await run([join(prefix, "bin", "runc"), "--version"])).stdout).toStartWith("runc version");
    const other = join(dir, "other");
    mkdirSync(join(other, "bin"), { recursive: true });
    writeFileSync(join(other, "bin", "runc"), "theirs");
    const refused = await run([bunker, "install", "--prefix", other]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("exists and is not ours");
    expect(await Bun.file(join(other, "bin", "runc")).text()).toBe("theirs");
  });
});

describe.skipIf(!built)(
  built
    ? "the surroundings cannot steer it"
    : "the surroundings cannot steer it (skipped: dist/bunker is not built)",
  () => {
    const trap = () => {
      const cwd = mkdtempSync(join(dir, "cwd-"));
      writeFileSync(
        join(cwd, "evil.ts"),
        'require("node:fs").writeFileSync(process.env.MARK ?? "mark", "ran");',
      );
      writeFileSync(join(cwd, ".env"), "BUNKER_FROM_DOTENV=1\nPATH=/evil\n");
      writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n');
      writeFileSync(join(cwd, ".bunfig.toml"), 'preload = ["./evil.ts"]\n');
      writeFileSync(
        join(cwd, "package.json"),
        '{"name":"evil","imports":{"#x":"./evil.ts"},"type":"commonjs"}',
      );
      writeFileSync(join(cwd, "tsconfig.json"), '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}');
      return cwd;
    };

    test.each([
      ["files of the current directory", {}],
      ["HOME and XDG_CONFIG_HOME", { HOME: ".", XDG_CONFIG_HOME: "." }],
      ["BUN_OPTIONS", { BUN_OPTIONS: "--preload=./evil.ts" }],
      ["BUN_INSPECT_PRELOAD", { BUN_INSPECT_PRELOAD: "./evil.ts" }],
      ["BUN_BE_BUN", { BUN_BE_BUN: "1" }],
      ["NODE_OPTIONS", { NODE_OPTIONS: "--require ./evil.ts" }],
      ["NODE_PATH", { NODE_PATH: "." }],
      ["BUN_CONFIG_VERBOSE_FETCH", { BUN_CONFIG_VERBOSE_FETCH: "curl" }],
    ] as [string, Record<string, string>][])("%s", async (_name, env) => {
      const cwd = trap();
      const absolute = Object.fromEntries(Object.entries(env).map(([k, v]) => [k, v === "." ? cwd : v]));
      const { code, stdout, stderr } = await run([bunker, "--version"], {
        cwd,
        env: { MARK: join(cwd, "mark"), ...absolute },
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toStartWith("bunker version");
      expect(await Bun.file(join(cwd, "mark")).exists()).toBe(false);
      expect(await Bun.file(join(cwd, "evil.ts")).exists()).toBe(true);
    });

    test("the JavaScript engine does not hear its options, in a short life or a long one", async () => {
      for (const [role, mark] of [["docker"], ["dockerd"], ["dockerd", "1"]]) {
        const { code, stdout, stderr } = await run([bunker, role!, "--version"], {
          env: { BUN_JSC_dumpOptions: "2", ...(mark && { BUNKER_LONG_LIFE: mark }) },
        });
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        expect(stdout).toStartWith("Docker version");
      }
    });

    test("BUN_INSPECT opens no debugger", async () => {
      const { code, stderr } = await run([bunker, "--version"], {
        env: { BUN_INSPECT: "ws://127.0.0.1:1/x?wait=1" },
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    });
  },
);
