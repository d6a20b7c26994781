// The end of a short life: the exit code and the output arrive, and what is left goes by itself and holds nothing up.
import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");

/** Runs a program that is given its orphans, starts a process that parts, and says who ended in which way. */
const KEEPER = `
import { NR } from "${root}/ffi/arch/index.ts";
import { rawSyscall } from "${root}/ffi/libc.ts";
import { becomeSubreaper } from "${root}/ffi/wait.ts";
becomeSubreaper();
const child = Bun.spawn({
  cmd: [process.execPath, "-e", 'import { part } from "${root}/src/launcher/parting.ts"; console.log("said"); part(7);'],
  stdio: ["ignore", "pipe", "inherit"],
});
const said = await new Response(child.stdout).text();
const code = await child.exited;
const status = new Int32Array(1);
// Blocks until the orphan has ended: it was handed to us with the end of its parent.
const orphan = rawSyscall(NR.wait4, -1, status, 0, 0);
const nobody = rawSyscall(NR.wait4, -1, status, 0, 0);
console.log(JSON.stringify({ said, code, orphan: orphan > 0 && orphan !== child.pid, status: status[0], nobody }));
`;

test.skipIf(process.arch !== "x64")(
  `a process that parts ends with its code, and its shadow ends after it${process.arch === "x64" ? "" : " (skipped: x86-64 only, others just exit)"}`,
  () => {
    const keeper = Bun.spawnSync([process.execPath, "-e", KEEPER]);
    expect(keeper.stderr.toString()).toBe("");
    expect(JSON.parse(keeper.stdout.toString())).toEqual({
      said: "said\n",
      code: 7,
      orphan: true,
      status: 0,
      nobody: -10, // ECHILD
    });
  },
);
