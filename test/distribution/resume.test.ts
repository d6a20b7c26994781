// A daemon that is killed with -9 in the middle of a download fetches no byte a second time.
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, bunker } from "../support/binary.ts";
import { must, plainEnvironment, run, until } from "../support/process.ts";
import { digestOf, FakeRegistry, layer } from "./fake-registry.ts";

const cannot = process.getuid?.() !== 0 ? " (skipped: not root)" : built ? "" : " (skipped: not built)";

test.skipIf(cannot !== "")(`kill -9 in the middle of a layer${cannot}`, async () => {
  const dir = mkdtempSync(join(tmpdir(), "bunker-resume-"));
  const address = join(dir, "c.sock");
  for (const name of ["containerd", "ctr"]) symlinkSync(bunker, join(dir, name));
  const start = async () => {
    const child = Bun.spawn(
      [
        join(dir, "containerd"),
        "--root",
        join(dir, "root"),
        "--state",
        join(dir, "state"),
        "--address",
        address,
      ],
      { env: plainEnvironment(), stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    );
    await until(
      "containerd's answer",
      async () => (await run([join(dir, "ctr"), "-a", address, "version"])).code === 0,
    );
    return child;
  };
  await using registry = await FakeRegistry.start();
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("hex");
  const one = layer([{ name: "f", data: noise.repeat(10) }], "none");
  registry.image("latest", [one]);
  const digest = digestOf(one.bytes);
  const half = one.bytes.length >> 1;
  let served = 0;
  let stalled = false;
  registry.bend = (request, response) => {
    if (request.method !== "GET" || !request.url?.includes(digest)) return false;
    const from = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (from === 0) {
      // Half of it, and then nothing more, with the connection open.
      response.writeHead(200, { "content-length": one.bytes.length });
      response.write(one.bytes.subarray(0, half), () => {
        stalled = true;
      });
      served += half;
      return true;
    }
    served += one.bytes.length - from;
    return false;
  };
  let daemon = await start();
  try {
    const pull = [
      join(dir, "ctr"),
      "-a",
      address,
      "images",
      "pull",
      "--plain-http",
      `${registry.address}/a:latest`,
    ];
    const first = run(pull);
    await until("half of the layer on its way", () => stalled);
    const ingest = () =>
      Bun.spawnSync([
        "find",
        join(dir, "root"),
        "-path",
        "*/ingest/*/data",
        "-size",
        `+${Math.floor(half / 1024) - 1}k`,
      ]);
    await until("half of the layer on the disk", () => ingest().stdout.length > 0);
    daemon.kill("SIGKILL");
    await daemon.exited;
    expect((await first).code).not.toBe(0);
    daemon = await start();
    await must(pull);
    expect(served).toBe(one.bytes.length);
    expect(await must([join(dir, "ctr"), "-a", address, "images", "ls", "-q"])).toContain("/a:latest");
  } finally {
    daemon.kill("SIGTERM");
    await daemon.exited;
    rmSync(dir, { recursive: true, force: true });
  }
});
