// `ctr run` and its kin: a container through our containerd, our shim and our runtime, with its stdio and its exit status.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answersUnix } from "../../ffi/socket.ts";
import { type RunOptions, run, until } from "../support/process.ts";

// Every command is a process of its own, and starts from source here.
setDefaultTimeout(60_000);

const root = join(import.meta.dir, "..", "..");
const role = (name: string) => [
  join(root, "node_modules", ".bin", "bun"),
  join(root, "src", "main.ts"),
  name,
];
const noBusybox = !existsSync("/bin/busybox");

let base: string;
let daemon: Bun.Subprocess;
const ctr = (args: string[], options: RunOptions = {}) =>
  run([...role("ctr"), "-a", join(base, "c.sock"), ...args], { stdin: "", ...options });
const RUNTIME = ["--runtime", "io.containerd.bunker.v2", "--fifo-dir"];
const HELLO = "bunker.internal/hello:latest";

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "bunker-ctr-"));
  const address = join(base, "c.sock");
  daemon = Bun.spawn(
    [
      ...role("containerd"),
      "--root",
      join(base, "root"),
      "--state",
      join(base, "state"),
      "--address",
      address,
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
  );
  await until("the socket", () => existsSync(address) && answersUnix(address));
});
afterAll(async () => {
  daemon.kill("SIGTERM");
  await daemon.exited;
  rmSync(base, { recursive: true, force: true });
});

test("an image from this very program says its word and leaves nothing", async () => {
  expect((await ctr(["images", "pull", HELLO])).code).toBe(0);
  const result = await ctr(["run", "--rm", ...RUNTIME, join(base, "fifo"), HELLO, "hello"]);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(result.stdout.length).toBeGreaterThan(10);
  expect((await ctr(["containers", "ls", "-q"])).stdout).toBe("");
  expect((await ctr(["tasks", "ls", "-q"])).stdout).toBe("");
  expect((await ctr(["snapshots", "ls"])).stdout).not.toContain("Active");
  expect((await ctr(["leases", "ls", "-q"])).stdout).toBe("");
});

test.skipIf(noBusybox)("stdin, both outputs and the exit status pass through (needs busybox)", async () => {
  // Debian's busybox may be linked dynamically.
  const libraries = ["--mount", "type=bind,src=/lib,dst=/lib,options=rbind:ro"];
  if (existsSync("/lib64")) libraries.push("--mount", "type=bind,src=/lib64,dst=/lib64,options=rbind:ro");
  const fifo = join(base, "fifo");
  const script = "read line; echo got $line; echo problem >&2; exit 7";
  const rootfs = join(base, "rootfs");
  for (const dir of ["bin", "proc", "dev", "sys", "run", "lib", "lib64"]) {
    mkdirSync(join(rootfs, dir), { recursive: true });
  }
  for (const name of ["sh", "sleep"]) {
    copyFileSync("/bin/busybox", join(rootfs, "bin", name));
    chmodSync(join(rootfs, "bin", name), 0o755);
  }
  const words = ["--rootfs", ...RUNTIME, fifo, ...libraries];
  const result = await ctr(["run", "--rm", ...words, rootfs, "talk", "/bin/sh", "-c", script], {
    stdin: "this\n",
  });
  expect(result).toEqual({ code: 7, stdout: "got this\n", stderr: "problem\n" });

  expect(await ctr(["run", "-d", ...words, rootfs, "stay", "/bin/sleep", "1000"])).toEqual({
    code: 0,
    stdout: "",
    stderr: "",
  });
  const exec = [
    "tasks",
    "exec",
    "--fifo-dir",
    fifo,
    "--exec-id",
    "e1",
    "stay",
    "/bin/sh",
    "-c",
    "echo in; exit 5",
  ];
  expect(await ctr(exec)).toEqual({ code: 5, stdout: "in\n", stderr: "" });
  expect((await ctr(["containers", "rm", "stay"])).stderr).toContain("cannot delete a non stopped container");
  expect((await ctr(["tasks", "rm", "-f", "stay"])).code).toBe(0);
  expect((await ctr(["containers", "rm", "stay"])).code).toBe(0);
});

test("a container that cannot start is told about and leaves nothing", async () => {
  const result = await ctr(["run", "--rm", ...RUNTIME, join(base, "fifo"), HELLO, "broken", "/nonexistent"]);
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("/nonexistent");
  expect((await ctr(["containers", "ls", "-q"])).stdout).toBe("");
  expect((await ctr(["snapshots", "ls"])).stdout).not.toContain("Active");
  expect((await ctr(["run", "--rm", "--detach", HELLO, "x"])).stderr).toBe(
    "ctr: flags --detach and --rm cannot be specified together\n",
  );
  expect((await ctr(["run", "nope:1", "x"])).stderr).toBe('ctr: image "nope:1": not found\n');
});
