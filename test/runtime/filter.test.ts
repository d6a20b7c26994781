// Compiled seccomp filters that are kept: the same one comes back, another profile gets its own, a damaged file is made anew.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filterOf } from "../../src/roles/runtime/container/filter.ts";
import { compileFilter } from "../../src/roles/runtime/seccomp/compile.ts";
import type { Config, Seccomp } from "../../src/spec/oci/runtime.ts";

const root = mkdtempSync(join(tmpdir(), "filter-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const profile = (...names: string[]): Seccomp => ({
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [{ names, action: "SCMP_ACT_ALLOW" }],
});
const configWith = (seccomp?: Seccomp) => ({ ociVersion: "1.2.0", linux: { seccomp } }) as Config;
const kept = () => readdirSync(join(root, "@filters")).map((name) => join(root, "@filters", name));
const arch = process.arch === "arm64" ? "arm64" : "x64";

test("kept, found, told apart, mended", async () => {
  expect(await filterOf(configWith(), root, "one")).toBeUndefined();
  const reading = compileFilter(profile("read"), arch);
  const writing = compileFilter(profile("write"), arch);
  expect(await filterOf(configWith(profile("read")), root, "one")).toEqual(reading);
  const [file] = kept();
  expect(await filterOf(configWith(profile("read")), root, "one")).toEqual(reading);
  expect(kept()).toEqual([file!]);
  expect(await filterOf(configWith(profile("write")), root, "one")).toEqual(writing);
  expect(await filterOf(configWith(profile("read")), root, "another compiler")).toEqual(reading);
  expect(kept()).toHaveLength(3);

  // One bit of the instructions, or a file cut short by a power cut, or none of it written.
  const whole = readFileSync(file!);
  const flipped = Buffer.from(whole);
  flipped[20]! ^= 1;
  for (const damaged of [flipped, whole.subarray(0, 16), Buffer.alloc(whole.length), Buffer.alloc(0)]) {
    writeFileSync(file!, damaged);
    expect(await filterOf(configWith(profile("read")), root, "one")).toEqual(reading);
    expect(readFileSync(file!)).toEqual(whole);
  }
});

test("not more than a few dozen are kept", async () => {
  for (let i = 0; i < 100; i++)
    await filterOf(configWith({ ...profile("read"), defaultErrnoRet: i }), root, "one");
  expect(kept().length).toBeLessThanOrEqual(64);
});
