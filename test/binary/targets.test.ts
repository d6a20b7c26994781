// The other machines: the same sources build for arm64 and for musl, and the arm64 binary starts (under qemu-user).
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { must, run } from "../support/process.ts";

const root = dirname(dirname(import.meta.dir));
const qemu = "qemu-aarch64-static";
const libc = "/usr/aarch64-linux-gnu";
const canRun = Bun.which(qemu) !== null && existsSync(`${libc}/lib/libc.so.6`);

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "bunker-targets-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const build = (target: string, outfile: string) =>
  run([process.execPath, join(root, "scripts", "build.ts"), "--target", target, "--outfile", outfile], {
    cwd: root,
    env: {
      HOME: process.env["HOME"] ?? "/root",
      npm_config_registry: process.env["npm_config_registry"] ?? "",
    },
    deadline: 300_000,
  });

/** ELF e_machine of a file. */
const machine = (path: string) => readFileSync(path).readUInt16LE(18);

describe("targets", () => {
  test.each([
    ["linux-x64-musl", 62],
    ["linux-arm64-musl", 183],
  ] as const)(
    "%s builds",
    async (target, expected) => {
      const outfile = join(dir, target);
      expect(await build(target, outfile)).toMatchObject({ code: 0 });
      expect(machine(outfile)).toBe(expected);
      rmSync(outfile);
    },
    300_000,
  );

  test("linux-arm64 builds and is hardened", async () => {
    const outfile = join(dir, "bunker-arm64");
    expect(await build("linux-arm64", outfile)).toMatchObject({ code: 0 });
    expect(machine(outfile)).toBe(183);
  }, 300_000);

  test.skipIf(!canRun)(
    canRun
      ? "linux-arm64 starts and makes syscalls"
      : "linux-arm64 starts (skipped: qemu-user-static or libc6-dev-arm64-cross is not installed)",
    async () => {
      const bunker = join(dir, "bunker-arm64");
      expect(await must([qemu, "-L", libc, bunker, "--version"], { deadline: 120_000 })).toStartWith(
        "bunker version",
      );
      expect(await must([qemu, "-L", libc, bunker, "runc", "--version"], { deadline: 120_000 })).toStartWith(
        "runc version",
      );
    },
    300_000,
  );

  test("an unknown target is refused", async () => {
    const { code, stderr } = await build("windows", join(dir, "x"));
    expect(code).toBe(64);
    expect(stderr).toContain('unknown target "windows"');
  });
});
