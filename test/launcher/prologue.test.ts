// The prologue of the compiled executable: what it takes out of the environment, what it puts in, what it leaves alone.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addPrologue } from "../../scripts/entry.ts";

const directory = mkdtempSync(join(tmpdir(), "prologue-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const source = join(directory, "show.ts");
writeFileSync(source, "console.log(JSON.stringify({ env: process.env, args: process.argv.slice(2) }));");
const plain = join(directory, "plain");
const unable = process.arch !== "x64" ? "x86-64 only" : "";

function run(executable: string, env: Record<string, string>, args: string[] = []) {
  const child = Bun.spawnSync([executable, ...args], { env });
  return {
    code: child.exitCode,
    err: child.stderr.toString(),
    ...JSON.parse(child.stdout.toString() || "{}"),
  };
}

test.skipIf(unable !== "")(
  `compiled program${unable && ` (skipped: ${unable})`}`,
  () => {
    const build = Bun.spawnSync([process.execPath, "build", "--compile", source, "--outfile", plain], {
      cwd: directory,
    });
    expect(build.exitCode).toBe(0);
    const file = readFileSync(plain);
    const before = Buffer.from(file);
    expect(
      addPrologue(file, ["BUN_JSC_useDFGJIT=0", "BUN_JSC_thresholdForJITSoon=1000"], "MARK_LIFE", [
        "BUN_JSC_useFTLJIT=0",
        "BUN_JSC_forceRAMSize=67108864",
      ]),
    ).toBeUndefined();
    // One header field and the padding: nothing else was touched.
    expect(file.length).toBe(before.length);
    const patched = join(directory, "patched");
    writeFileSync(patched, file, { mode: 0o755 });

    const hostile = {
      A: "1",
      BUN_JSC_dumpOptions: "2",
      NODE_OPTIONS: "--x",
      BUN_BE_BUN: "1",
      BUNKER_TRACE: "t",
      NODEX: "y",
      Z: "26",
    };
    const shown = run(patched, hostile, ["one", "two words"]);
    expect(shown.code).toBe(0);
    expect(shown.err).toBe("");
    expect(shown.args).toEqual(["one", "two words"]);
    expect(shown.env).toMatchObject({
      A: "1",
      BUNKER_TRACE: "t",
      NODEX: "y",
      Z: "26",
      BUN_JSC_useDFGJIT: "0",
      BUN_JSC_thresholdForJITSoon: "1000",
    });
    for (const name of ["BUN_JSC_dumpOptions", "NODE_OPTIONS", "BUN_BE_BUN"])
      expect(shown.env).not.toHaveProperty(name);

    // No environment at all, one variable, and a large one.
    expect(Object.keys(run(patched, {}).env)).toEqual(["BUN_JSC_useDFGJIT", "BUN_JSC_thresholdForJITSoon"]);
    expect(run(patched, { BUN_X: "1" }).env).not.toHaveProperty("BUN_X");
    const many = Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => [i % 3 ? `V${i}` : `BUN_${i}`, "x".repeat(i)]),
    );
    const kept = run(patched, many).env;
    expect(Object.keys(kept).filter((name) => name.startsWith("V"))).toHaveLength(333);
    expect(kept["V499"]).toHaveLength(499);
    // A long life gets its own settings in place of its mark; a name that only begins alike is another's.
    const long = run(patched, { A: "1", MARK_LIFE: "1", BUN_X: "1", MARKED: "2" }, ["one"]);
    expect(long.args).toEqual(["one"]);
    const settings = { BUN_JSC_useFTLJIT: "0", BUN_JSC_forceRAMSize: "67108864" };
    expect(long.env).toEqual({ A: "1", MARKED: "2", ...settings });
    expect(run(patched, { MARK_LIFE: "1" }).env).toEqual(settings);
    // An outside value of one of our settings does not win over ours.
    expect(run(patched, { BUN_JSC_useDFGJIT: "1" }).env["BUN_JSC_useDFGJIT"]).toBe("0");
  },
  30_000,
);

test("what it cannot do leaves the file alone", () => {
  expect(
    addPrologue(
      Buffer.from("no elf at all, but long enough for its header, which is what is read first"),
      [],
      "MARK_LIFE",
      ["X=1"],
    ),
  ).toBe("not an ELF file");
  const arm = Buffer.alloc(4096);
  arm.write("\x7fELF", "latin1");
  arm.writeUInt16LE(183, 18);
  expect(addPrologue(arm, [], "MARK_LIFE", ["X=1"])).toBe("no prologue for this machine");
});
