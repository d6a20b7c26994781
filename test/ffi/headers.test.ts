// Every constant in ffi/constants and every struct layout is held against the system's C headers: a generated C file full
// of _Static_asserts must compile, for this machine and, where the cross compiler is there, for arm64.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machines } from "../../ffi/arch/index.ts";
import { layouts } from "../../ffi/struct.ts";

const ffi = join(import.meta.dir, "..", "..", "ffi");

/** Constants whose C spelling the headers of this kernel release may lack: asserted only where defined (#ifdef). */
interface Constant {
  name: string;
  value: number;
  headers: readonly string[];
}

async function modulesBelow(directory: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) files.push(...(await modulesBelow(path)));
    else if (entry.name.endsWith(".ts")) files.push(path);
  }
  return files.sort();
}

async function constants(): Promise<Constant[]> {
  const all: Constant[] = [];
  for (const file of await modulesBelow(join(ffi, "constants"))) {
    const module = (await import(file)) as Record<string, unknown>;
    const headers = module["headers"];
    if (!Array.isArray(headers)) throw new Error(`${file} exports no "headers"`);
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === "number" || typeof value === "bigint") {
        all.push({ name, value: Number(value), headers: headers as string[] });
      }
    }
  }
  return all;
}

const literal = (value: number) => (value > 0x7fffffff ? `${value}ull` : `${value}`);

/** One C file per header: those of libc and of the kernel redefine each other's structs and cannot stand together. */
function constantSource(header: string, group: Constant[]): string {
  const lines = [
    "#define _GNU_SOURCE 1",
    "#include <stdint.h>",
    "#include <sys/types.h>",
    // _IOWR and its like, which some headers use without bringing them.
    "#include <asm/ioctl.h>",
    `#include <${header}>`,
  ];
  for (const { name, value } of group) {
    lines.push(
      `_Static_assert((unsigned long long)(${name}) == (unsigned long long)(${literal(value)}) || (uint32_t)(${name}) == (uint32_t)(${literal(value)}), "${name} is ${value} here");`,
    );
  }
  lines.push("int main(void) { return 0; }", "");
  return lines.join("\n");
}

function compile(compiler: string, source: string): { ok: boolean; output: string } {
  const dir = mkdtempSync(join(tmpdir(), "bunker-headers-"));
  try {
    writeFileSync(join(dir, "assert.c"), source);
    const run = Bun.spawnSync([compiler, "-fsyntax-only", "-fmax-errors=0", join(dir, "assert.c")], {
      env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
      stderr: "pipe",
    });
    return { ok: run.exitCode === 0, output: run.stderr.toString() };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Names that the installed headers do not know at all (newer than they are). */
function undeclared(output: string): Set<string> {
  return new Set([...output.matchAll(/error: '([A-Za-z_0-9]+)' undeclared/g)].map((match) => match[1]!));
}

function assertConstants(compiler: string, all: Constant[]): { checked: number; unknown: string[] } {
  const known = new Set<string>();
  for (const header of new Set(all.flatMap((constant) => constant.headers))) {
    let group = all.filter((constant) => constant.headers.includes(header));
    const first = compile(compiler, constantSource(header, group));
    if (/fatal error: .*No such file/.test(first.output)) continue;
    if (!first.ok) {
      const missing = undeclared(first.output);
      group = group.filter((constant) => !missing.has(constant.name));
      const second = compile(compiler, constantSource(header, group));
      if (!second.ok) throw new Error(`constants disagree with <${header}>:\n${second.output}`);
    }
    for (const { name } of group) known.add(name);
  }
  return {
    checked: known.size,
    unknown: all.map(({ name }) => name).filter((name) => !known.has(name)),
  };
}

function syscallSource(table: Readonly<Record<string, number>>): string {
  const asserts = Object.entries(table).map(([name, number]) =>
    [`#ifdef __NR_${name}`, `_Static_assert(__NR_${name} == ${number}, "${name}");`, "#endif"].join("\n"),
  );
  return ["#include <asm/unistd.h>", ...asserts, "int main(void) { return 0; }", ""].join("\n");
}

async function loadAllOfFfi(): Promise<void> {
  for (const file of await modulesBelow(ffi)) await import(file);
}

function layoutSource(): string {
  const lines = ["#define _GNU_SOURCE 1", "#include <stddef.h>"];
  for (const layout of layouts) {
    const body = [
      `_Static_assert(sizeof(${layout.c}) == ${layout.size}, "sizeof ${layout.c}");`,
      ...Object.entries(layout.fields).map(
        ([field, [offset]]) =>
          `_Static_assert(offsetof(${layout.c}, ${field}) == ${offset}, "${layout.c}.${field}");`,
      ),
    ];
    lines.push(`#include <${layout.header}>`, ...body);
  }
  lines.push("int main(void) { return 0; }", "");
  return lines.join("\n");
}

const cross = "aarch64-linux-gnu-gcc";
const hasCross = Bun.which(cross) !== null;

describe("ffi against the C headers of this machine", () => {
  test("constants", async () => {
    const { checked, unknown } = assertConstants("gcc", await constants());
    expect(checked).toBeGreaterThan(100);
    // What Debian 12's headers (6.1) are too old to know; anything else that is undeclared is a misspelling.
    expect(unknown.filter((name) => !NEWER_THAN_6_1.has(name))).toEqual([]);
  });

  test("struct layouts", async () => {
    await loadAllOfFfi();
    expect(layouts.length).toBeGreaterThan(0);
    expect(compile("gcc", layoutSource()).output).toBe("");
  });

  test("syscall numbers of x86-64", () => {
    expect(compile("gcc", syscallSource(machines.x64.NR)).output).toBe("");
  });
});

const crossHeaders = "/usr/aarch64-linux-gnu/include/asm/unistd.h";
describe("ffi against the C headers of arm64", () => {
  test.skipIf(!existsSync(crossHeaders))(
    existsSync(crossHeaders)
      ? "syscall numbers of arm64"
      : "syscall numbers of arm64 (skipped: package linux-libc-dev-arm64-cross is not installed)",
    () => {
      const source = syscallSource(machines.arm64.NR).replace(
        "<asm/unistd.h>",
        '"/usr/aarch64-linux-gnu/include/asm-generic/unistd.h"',
      );
      // arm64's asm/unistd.h asks for these spellings of the generic table.
      const wants = ["RENAME", "NEW_STAT", "SET_GET_RLIMIT", "TIME32_SYSCALLS", "SYS_CLONE3", "MEMFD_SECRET"];
      const prelude = [
        ...wants.map((name) => `#define __ARCH_WANT_${name} 1`),
        "#define __BITS_PER_LONG 64",
      ].join("\n");
      expect(compile(hasCross ? cross : "gcc", `${prelude}\n${source}`).output).toBe("");
    },
  );

  test.skipIf(!hasCross)(
    hasCross ? "open flags of arm64" : `open flags of arm64 (skipped: ${cross} is not installed)`,
    () => {
      const flags = (["O_DIRECT", "O_DIRECTORY", "O_NOFOLLOW"] as const).map((name) => ({
        name,
        value: machines.arm64[name],
        headers: ["fcntl.h"],
      }));
      expect(assertConstants(cross, flags)).toEqual({ checked: 3, unknown: [] });
    },
  );
});

/** Constants from kernels after 6.1, absent from Debian 12's linux-libc-dev. */
const NEWER_THAN_6_1 = new Set<string>([
  "UFFD_FEATURE_WP_ASYNC",
  "PIDFD_SELF",
  "PIDFD_THREAD",
  "MOUNT_ATTR_NOSYMFOLLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
  "LISTMOUNT_REVERSE",
  "MOVE_MOUNT_BENEATH",
  "IFLA_GSO_IPV4_MAX_SIZE",
]);
