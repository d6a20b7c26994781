// The loop and the assembler: small plans, run as real ELF files; arm64 under qemu where it is installed.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Arch } from "../../ffi/arch/index.ts";
import { assemble } from "../../src/launcher/elf.ts";
import { assembleHello } from "../../src/launcher/hello.ts";
import { assembleInit } from "../../src/launcher/init.ts";
import { bits, Plan, recordIndex } from "../../src/launcher/plan.ts";
import { renderPlan } from "../../src/launcher/render.ts";
import { assembleWaiter } from "../../src/launcher/waiter.ts";

const directory = mkdtempSync(join(tmpdir(), "launcher-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const QEMU = "/usr/bin/qemu-aarch64-static";
const native: Arch = process.arch === "arm64" ? "arm64" : "x64";
const machines: { arch: Arch; prefix: string[]; missing: string }[] = (["x64", "arm64"] as const).map(
  (arch) => {
    if (arch === native) return { arch, prefix: [], missing: "" };
    const usable = arch === "arm64" && existsSync(QEMU);
    return { arch, prefix: [QEMU], missing: usable ? "" : ` (skipped: no emulator for ${arch})` };
  },
);

let serial = 0;
function run(prefix: string[], elf: Uint8Array, args: string[] = [], env: Record<string, string> = {}) {
  const path = join(directory, `program-${serial++}`);
  writeFileSync(path, elf, { mode: 0o755 });
  const child = Bun.spawnSync([...prefix, path, ...args], { env, stderr: "pipe", timeout: 20_000 });
  return {
    code: child.exitCode,
    signal: child.signalCode,
    out: child.stdout.toString(),
    err: child.stderr,
  };
}

for (const { arch, prefix, missing } of machines) {
  const it = test.skipIf(missing !== "");
  describe(`${arch}${missing}`, () => {
    it("hello prints its whole text", () => {
      const text = "Hello, wörld\n".repeat(3000);
      expect(run(prefix, assembleHello(arch, text))).toMatchObject({ code: 0, out: text });
    });

    it("results go into slots and come back as arguments; compute masks, shifts and subtracts", () => {
      const plan = new Plan("arithmetic", arch);
      const a = plan.slot("a", 0x1234);
      const b = plan.slot("b");
      plan.compute(a, 0xff00, 8, 0x10, { into: b }); // 0x12 - 0x10
      plan.compute(b, -1, 0, -40, { into: b });
      plan.call("exit_group", [b]);
      expect(run(prefix, assemble(plan)).code).toBe(42);
    });

    it("an untolerated failure reports its record and errno, and ends the plan", () => {
      const plan = new Plan("failure", arch);
      plan.call("getpid", []);
      plan.call("chdir", [plan.string("/nonexistent")], { why: "going nowhere" });
      plan.call("exit_group", [0]);
      const { code, err } = run(prefix, assemble(plan, { reportFd: 2, exitCode: 9 }));
      expect(code).toBe(9);
      expect(recordIndex(err.readUInt32LE(0))).toBe(1);
      expect(err.readUInt32LE(4)).toBe(2);
    });

    it("a tolerated failure goes on at its label, with -errno in its slot", () => {
      const plan = new Plan("tolerance", arch);
      const result = plan.slot("result");
      const failed = plan.label("failed");
      plan.call("chdir", [plan.string("/nonexistent")], {
        into: result,
        tolerate: ["EPERM", "ENOENT"],
        fail: failed,
      });
      plan.call("exit_group", [1]);
      plan.place(failed);
      plan.compute(0, -1, 0, result, { into: result });
      plan.call("exit_group", [result]);
      expect(run(prefix, assemble(plan)).code).toBe(2);
    });

    it("zero and positive results take their own ways, backwards too", () => {
      const plan = new Plan("loop", arch);
      const left = plan.slot("left", 3);
      const more = plan.label("more");
      const done = plan.label("done");
      plan.place(more);
      plan.call("write", [1, plan.string("x"), 1]);
      plan.compute(left, -1, 0, 1, { into: left, ok: more, zero: done });
      plan.place(done);
      plan.call("exit_group", [0]);
      expect(run(prefix, assemble(plan)).out).toBe("xxx");
    });

    it("a plan of 2,000 records and 100 KB of data stays whole", () => {
      const plan = new Plan("large", arch);
      for (let i = 0; i < 2000; i++) plan.call("write", [1, plan.string(`line ${i} ${"-".repeat(40)}\n`), 9]);
      plan.call("exit_group", [0]);
      expect(run(prefix, assemble(plan)).out).toHaveLength(18000);
    });

    it("the waiting ELF waits for a descriptor or its time, then becomes what goes on", () => {
      const next = join(directory, `next-${arch}`);
      writeFileSync(next, assembleHello(native, "awake\n"), { mode: 0o755 });
      const goesOn = { path: next, fallback: -1, argv: ["next"], envp: ["A=1"] };
      // /dev/null as descriptor 0 can always be read; without a waker only the time ends the waiting.
      for (const waiter of [{ wakers: [0] }, { wakers: [], timeout: 1 }])
        expect(run(prefix, assembleWaiter(arch, { name: "waiter", next: goesOn, ...waiter }))).toMatchObject({
          code: 0,
          out: "awake\n",
        });
    });

    it("docker-init: finds programs by path and along PATH, hands on exit codes and signals, reaps orphans", () => {
      const init = assembleInit(arch);
      const env = { PATH: "/nonexistent:/usr/bin:/bin" };
      expect(run(prefix, init, ["--", "/bin/sh", "-c", "exit 6"], env).code).toBe(6);
      expect(run(prefix, init, ["sh", "-c", "echo $0 $1; exit 7", "a", "b"], env)).toMatchObject({
        code: 7,
        out: "a b\n",
      });
      expect(run(prefix, init, ["sh", "-c", "kill -KILL $$"], env).code).toBe(137);
      expect(run(prefix, init, ["--", "no-such-program"], env).code).toBe(127);
      expect(run(prefix, init, ["--", "/etc/passwd"], env).code).toBe(127);
      expect(run(prefix, init).code).toBe(1);
      const orphan =
        "(sh -c 'exit 0' &); while pgrep -P $PPID -x sh >/dev/null 2>&1 && [ -n \"$NEVER\" ]; do :; done; exit 3";
      expect(run(prefix, init, ["sh", "-c", orphan], env).code).toBe(3);
    });
  });
}

test("docker-init passes SIGTERM to its program", async () => {
  const path = join(directory, "init");
  writeFileSync(path, assembleInit(native), { mode: 0o755 });
  const child = Bun.spawn(
    [path, "--", "sh", "-c", "trap 'exit 12' TERM; echo ready; while :; do sleep 0.05; done"],
    {
      stdout: "pipe",
      env: { PATH: "/usr/bin:/bin" },
    },
  );
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGTERM");
  expect(await child.exited).toBe(12);
  await reader.cancel();
});

test("the plan's text names calls, slots, flags, jumps and tolerated errors", () => {
  const plan = new Plan("example", "x64");
  const fd = plan.slot("fd");
  const none = plan.label("no file");
  plan.call(
    "openat",
    [bits({}), plan.string("/etc/motd"), bits({ O_PATH: 0o10000000, O_CLOEXEC: 0o2000000 })],
    {
      into: fd,
      tolerate: ["ENOENT"],
      fail: none,
    },
  );
  plan.call("close", [fd], { tolerate: "any" });
  plan.place(none);
  plan.compute(fd, 0xff00, 8, 0, { into: fd });
  plan.call("exit_group", [0]);
  expect(renderPlan(plan)).toBe(`plan example (x64, 4 records)
  0  fd = openat(0, "/etc/motd", O_PATH|O_CLOEXEC)   [ENOENT → no file]
  1  close(fd)   [any error is fine]
no file:
  2  fd = (fd & 65280) >> 8
  3  exit_group(0)
`);
});

test("what cannot be assembled is refused", () => {
  const plan = new Plan("bad", "x64");
  plan.jump(plan.label("nowhere"));
  expect(() => assemble(plan)).toThrow("label nowhere was never placed");
  expect(() => plan.string("a\0b")).toThrow("embedded NUL");
  expect(() => plan.call("close", [1], { tolerate: ["ENOSUCH"] })).toThrow("no errno ENOSUCH");
});
