// `containerd` as a process: its command line, its socket, its end; and what real ctr and our own say about it.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answersUnix } from "../../ffi/socket.ts";
import { run, until } from "../support/process.ts";

// Every question is a process of its own, and starts from source here.
setDefaultTimeout(60_000);

const root = join(import.meta.dir, "..", "..");
const bun = join(root, "node_modules", ".bin", "bun");
const role = (name: string) => [bun, join(root, "src", "main.ts"), name];
const realCtr = "/usr/bin/ctr";
const noRealCtr = !existsSync(realCtr);

interface Daemon {
  base: string;
  address: string;
  args: string[];
  process: Bun.Subprocess<"ignore", "ignore", "pipe">;
}

async function start(): Promise<Daemon> {
  const base = mkdtempSync(join(tmpdir(), "bunker-daemon-"));
  const address = join(base, "c.sock");
  writeFileSync(
    join(base, "config.toml"),
    `version = 2\nroot = "${base}/root"\n[grpc]\naddress = "/not/this"\n`,
  );
  const args = ["--config", join(base, "config.toml"), "--state", join(base, "state"), "--address", address];
  const child = Bun.spawn([...role("containerd"), ...args], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  await until("the socket", () => existsSync(address) && answersUnix(address));
  return { base, address, args, process: child };
}

async function end(daemon: Daemon): Promise<number> {
  daemon.process.kill("SIGTERM");
  const code = await daemon.process.exited;
  rmSync(daemon.base, { recursive: true, force: true });
  return code;
}

describe("the containerd daemon", () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await start();
  });
  afterAll(() => end(daemon));
  const ours = (...args: string[]) => run([...role("ctr"), "-a", daemon.address, ...args]);
  const theirs = (...args: string[]) => run([realCtr, "-a", daemon.address, ...args]);

  test("takes root from the file and the rest from the flags, and keeps its socket from others", async () => {
    expect(existsSync(join(daemon.base, "root", "containerd.lock"))).toBe(true);
    // Only its owner may write to it before.
    await until("its mode", () => (statSync(daemon.address).mode & 0o777) === 0o660);
    expect(statSync(`${daemon.address}.ttrpc`).mode & 0o777).toBe(0o600);
  });

  test("refuses a second daemon on its socket and on its root, which change nothing", async () => {
    const same = await run([...role("containerd"), ...daemon.args]);
    expect(same.code).toBe(1);
    expect(same.stderr).toContain(
      `containerd: ${daemon.address} is in use: another containerd answers there`,
    );
    const other = join(daemon.base, "other");
    const root = await run([
      ...role("containerd"),
      ...["--root", join(daemon.base, "root"), "--state", other, "--address", join(other, "c.sock")],
    ]);
    expect(root.code).toBe(1);
    expect(root.stderr).toContain(`containerd root ${daemon.base}/root is in use by another containerd`);
    const elsewhere = await run([
      ...role("containerd"),
      ...["--root", join(daemon.base, "r2"), "--state", other, "--address", daemon.address],
    ]);
    expect(elsewhere.code).toBe(1);
    expect(existsSync(join(daemon.base, "r2"))).toBe(false);
    expect((await ours("version")).code).toBe(0);
  });

  test("serves our ctr: an image from this very program, offline", async () => {
    const image = "bunker.internal/hello:latest";
    const pulled = await ours("images", "pull", image);
    expect(pulled).toMatchObject({ code: 0, stderr: "" });
    expect((await ours("images", "ls", "-q")).stdout).toBe(`${image}\n`);
    expect((await ours("images", "check")).stdout).toMatch(/ complete \(2\/2\) .* true\n$/);
    const snapshots = await ours("snapshots", "ls");
    expect(snapshots.stdout).toMatch(/^KEY +PARENT KIND +\nsha256:[0-9a-f]{64} +Committed \n$/);
    expect((await ours("images", "tag", image, "hello:2")).stdout).toBe("hello:2\n");
    expect(await ours("images", "tag", image, "hello:2")).toMatchObject({
      code: 1,
      stderr: 'ctr: image "hello:2": already exists\n',
    });
    expect((await ours("containers", "info", "nope")).stderr).toBe(
      'ctr: container "nope" in namespace "default": not found\n',
    );
    expect((await ours("nonsense")).code).toBe(3);
    expect((await ours("images", "ls", "--nonsense")).stdout).toStartWith(
      "Incorrect Usage: flag provided but not defined: -nonsense\n",
    );
  });

  test.skipIf(noRealCtr)("tells real ctr what it tells ours (needs containerd's ctr)", async () => {
    await ours("images", "pull", "bunker.internal/hello:latest");
    await ours("namespaces", "create", "foo", "a=b", "c=d");
    await ours("leases", "create", "--id", "l1", "x=y");
    const questions = [
      ["namespaces", "ls"],
      ["-n", "moby", "containers", "ls"],
      ["-n", "moby", "tasks", "ls"],
      ["images", "ls"],
      ["images", "check"],
      ["content", "ls", "-q"],
      ["snapshots", "ls"],
      ["snapshots", "usage"],
      ["snapshots", "tree"],
      ["leases", "ls"],
      ["plugins", "ls"],
      ["containers", "rm"],
      ["namespaces", "create", "foo"],
      ["tasks", "kill", "nope"],
      ["snapshots", "rm", "nope"],
      ["leases", "rm", "nope"],
    ];
    for (const question of questions) {
      const real = await theirs(...question);
      const mine = await ours(...question);
      // Progress logs carry the time.
      const plain = (text: string) => text.replace(/^time=.*\n/gm, "");
      expect({ question, ...mine, stderr: plain(mine.stderr) }).toEqual({
        question,
        ...real,
        stderr: plain(real.stderr),
      });
    }
    expect((await theirs("version")).stdout).toContain("+bunker");
  });

  test.skipIf(noRealCtr)(
    "stores what real ctr ingests and tells it of events (needs containerd's ctr)",
    async () => {
      const watching = Bun.spawn([realCtr, "-a", daemon.address, "events"], {
        stdout: "pipe",
        stderr: "ignore",
      });
      const lines: string[] = [];
      const reading = (async () => {
        for await (const chunk of watching.stdout) lines.push(new TextDecoder().decode(chunk));
      })();
      // The subscription is there once an event comes through.
      let serial = 0;
      await until("an event", async () => {
        await ours("namespaces", "create", `ping${serial++}`);
        return lines.join("").includes("/namespaces/create");
      });
      const body = "x".repeat(3_000_000);
      const put = await run([realCtr, "-a", daemon.address, "content", "ingest", "ref"], { stdin: body });
      expect(put).toMatchObject({ code: 0 });
      const digest = `sha256:${new Bun.CryptoHasher("sha256").update(body).digest("hex")}`;
      expect((await theirs("content", "get", digest)).stdout).toBe(body);
      await theirs("snapshots", "prepare", "key1");
      await theirs("snapshots", "commit", "base1", "key1");
      await until("both events", () =>
        /snapshot\/prepare \{"key":"key1"\}[\s\S]*snapshot\/commit/.test(lines.join("")),
      );
      watching.kill();
      await reading;
    },
  );
});

describe("the containerd command line", () => {
  test("version, help and configuration", async () => {
    const version = await run([...role("containerd"), "--version"]);
    expect(version.stdout).toMatch(/^containerd bunker \d+\.\d+\.\d+ \S+\n$/);
    expect((await run([...role("containerd"), "--help"])).stdout).toContain("--config value, -c value");
    const config = await run([...role("containerd"), "config", "default"]);
    expect(Bun.TOML.parse(config.stdout)).toEqual({
      version: 2,
      root: "/var/lib/containerd",
      state: "/run/containerd",
      grpc: { address: "/run/containerd/containerd.sock" },
      debug: { level: "info", format: "text" },
      plugins: { "io.containerd.transfer.v1.local": { config_path: "/etc/containerd/certs.d" } },
    });
  });

  test.each([
    ["version = 1\n", "expected containerd config version 2 or 3, got 1"],
    ["version = 2\nroot = \n", "failed to load TOML: "],
    ["version = 2\nroot = 7\n", "root: "],
    ['version = 3\nroot = "relative"\n', "root must be an absolute path: relative"],
    ['version = 2\n[debug]\nlevel = "loud"\n', 'not a valid logrus Level: "loud"'],
  ])("a bad file is refused: %j", async (text, complaint) => {
    const base = mkdtempSync(join(tmpdir(), "bunker-config-"));
    const file = join(base, "config.toml");
    writeFileSync(file, text);
    const result = await run([...role("containerd"), "--config", file, "--address", join(base, "c.sock")]);
    rmSync(base, { recursive: true });
    expect(result.code).toBe(1);
    expect(result.stderr).toStartWith("containerd: ");
    expect(result.stderr).toContain(complaint);
  });

  test("unknown flags and commands, and a named file that is not there, are refused", async () => {
    for (const args of [["--nonsense"], ["nonsense"], ["--config", "/nonexistent/config.toml"]]) {
      const result = await run([...role("containerd"), ...args]);
      expect(result.code).toBe(1);
      expect(result.stderr).toStartWith("containerd: ");
    }
  });

  test("SIGTERM and SIGINT end it cleanly, and the next one finds what was there", async () => {
    const daemon = await start();
    const ctr = (...args: string[]) => run([...role("ctr"), "-a", daemon.address, ...args]);
    await ctr("namespaces", "create", "stays");
    daemon.process.kill("SIGINT");
    expect(await daemon.process.exited).toBe(0);
    expect(existsSync(daemon.address)).toBe(false);
    const again = Bun.spawn([...role("containerd"), ...daemon.args], { stdout: "ignore", stderr: "pipe" });
    await until("the socket", () => existsSync(daemon.address) && answersUnix(daemon.address));
    expect((await ctr("namespaces", "ls", "-q")).stdout).toBe("stays\n");
    again.kill("SIGKILL");
    await again.exited;
    // A dead one's socket is in nobody's way.
    const third = Bun.spawn([...role("containerd"), ...daemon.args], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    await until("the socket", () => answersUnix(daemon.address));
    expect(await end({ ...daemon, process: third })).toBe(0);
  });
});
