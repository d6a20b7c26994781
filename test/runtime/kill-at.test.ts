// SIGKILL to the runtime itself at one system call after the other of create, start, run and delete: whatever it left,
// `delete --force` removes it wholly.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bunker, linkRoles } from "../support/binary.ts";
import { Ground, unable, until } from "./ground.ts";

const STRACE = "/usr/bin/strace";
const missing =
  unable ||
  (!existsSync(STRACE) ? `no ${STRACE}` : "") ||
  (!existsSync(bunker) ? "dist/bunker is not built" : "");
const it = test.skipIf(missing !== "");
const runc = missing ? "" : join(linkRoles(), "runc");

/** Calls by which the runtime changes something. Every nth occurrence is a point to die at; the step keeps the test short. */
const POINTS: readonly [call: string, step: number][] = [
  ["mkdirat", 1],
  ["mknodat", 1],
  ["renameat", 1],
  ["unlinkat", 2],
  ["memfd_create", 1],
  ["pipe2", 1],
  ["read", 9],
  ["write", 4],
  ["openat", 25],
];

const each = Number(process.env["BUNKER_KILL_STEP"] ?? 0);

/** Calls of the launcher and the container's first process. */
const INSIDE = [
  "setns",
  "clone3",
  "unshare",
  "openat2",
  "fsopen",
  "move_mount",
  "mknodat",
  "pivot_root",
  "capset",
];

/** Runs a verb with the death of the process that makes the nth call; its exit code, 137 for its own death. */
async function killedAt(
  ground: Ground,
  call: string,
  nth: number,
  args: string[],
  children = false,
): Promise<number> {
  const child = Bun.spawn(
    [
      STRACE,
      ...(children ? ["-f"] : []),
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      `trace=${call}`,
      "-e",
      `inject=${call}:signal=KILL:when=${nth}`,
      runc,
      "--root",
      ground.root,
      ...args,
    ],
    {
      cwd: ground.bundle,
      env: { PATH: "/usr/bin:/bin" },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      timeout: 30_000,
    },
  );
  await child.exited;
  return child.signalCode === "SIGKILL" ? 137 : (child.exitCode ?? 1);
}

/** Processes in any cgroup of the container's name. */
function processes(ground: Ground): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      if (/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))) return false;
      return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(ground.id);
    } catch {
      return false;
    }
  });
}

/** Everything is gone after one `delete --force`. */
async function cleaned(ground: Ground, where: string): Promise<void> {
  const deleted = await ground.runc(["delete", "--force", ground.id]);
  expect({ where, ...deleted }).toMatchObject({ where, code: 0, err: "" });
  await until(`the processes after ${where}`, () => processes(ground).length === 0);
  expect({ where, left: ground.leftovers() }).toEqual({ where, left: [] });
}

async function sweep(
  prepare: (ground: Ground) => Promise<void>,
  verb: (ground: Ground) => string[],
): Promise<number> {
  await using ground = new Ground();
  ground.command = (...args: string[]) => [runc, "--root", ground.root, ...args];
  ground.configure(["sleep", "1000"], (config) => {
    config.linux!.resources!.memory = { limit: 64 << 20 };
    config.linux!.resources!.pids = { limit: 50 };
  });
  let points = 0;
  for (const [call, step] of POINTS) {
    for (let nth = 1; ; nth += each || step) {
      await prepare(ground);
      const died = (await killedAt(ground, call, nth, verb(ground))) === 137;
      await cleaned(ground, `${verb(ground)[0]}: ${call} #${nth}`);
      if (!died) break;
      points++;
    }
  }
  return points;
}

const created = (ground: Ground) => ground.ok("create", ground.id).then(() => {});
const running = (ground: Ground) => ground.ok("run", "-d", ground.id).then(() => {});

describe(`killed at any step${missing && ` (skipped: ${missing})`}`, () => {
  it("create", async () => {
    expect(
      await sweep(
        async () => {},
        (ground) => ["create", ground.id],
      ),
    ).toBeGreaterThan(15);
  });

  it("run --detach", async () => {
    expect(
      await sweep(
        async () => {},
        (ground) => ["run", "-d", ground.id],
      ),
    ).toBeGreaterThan(15);
  });

  it("the container's first process: the runtime itself takes all back", async () => {
    await using ground = new Ground();
    for (const call of INSIDE)
      for (const nth of [1, 2, 5, 12]) {
        const code = await killedAt(ground, call, nth, ["run", ground.id], true);
        const where = `${call} #${nth}`;
        await until(`the processes after ${where}`, () => processes(ground).length === 0);
        // The runtime makes some of these calls too, and cannot clean up after its own death.
        if (code === 137) await cleaned(ground, where);
        expect({ where, left: ground.leftovers() }).toEqual({ where, left: [] });
        // It makes fewer calls of this kind: nobody was killed.
        if (code === 0) break;
      }
  });

  it("start", async () => {
    expect(await sweep(created, (ground) => ["start", ground.id])).toBeGreaterThan(3);
  });

  it("delete", async () => {
    expect(await sweep(running, (ground) => ["delete", "--force", ground.id])).toBeGreaterThan(5);
  });
});
