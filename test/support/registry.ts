// Debian's docker-registry on a loopback port, filled from OCI layouts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Netns } from "./netns.ts";
import { must, plainEnvironment, run, until } from "./process.ts";

export interface Registry extends AsyncDisposable {
  /** host:port */
  address: string;
  /** Its directory of blobs and links. */
  storage: string;
  /** Pushes an OCI layout's "latest" as NAME:TAG; `format` is the manifest's kind. */
  push(layout: string, reference: string, format?: "oci" | "v2s2"): Promise<void>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
}

/** Starts a registry inside `netns` (each test's daemons live in a network of their own). */
export async function startRegistry(netns: Netns, port = 5000): Promise<Registry> {
  const dir = mkdtempSync(join(tmpdir(), "bunker-registry-"));
  const address = `127.0.0.1:${port}`;
  writeFileSync(
    join(dir, "config.yml"),
    `version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: ${dir}/data}, delete: {enabled: true}}\nhttp: {addr: "${address}", secret: test}\n`,
  );
  const child = Bun.spawn(netns.inside(["docker-registry", "serve", join(dir, "config.yml")]), {
    env: plainEnvironment(),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  await until("the registry's answer", async () => {
    const answer = await run(netns.inside(["bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port} && echo open`]));
    return answer.stdout.includes("open");
  });
  return {
    address,
    storage: join(dir, "data"),
    kill,
    async push(layout, reference, format = "v2s2") {
      await must(
        netns.inside([
          "skopeo",
          "--insecure-policy",
          `--tmpdir=${dir}`,
          "copy",
          "-q",
          "--format",
          format,
          "--dest-tls-verify=false",
          `oci:${layout}:latest`,
          `docker://${address}/${reference}`,
        ]),
        { env: { REGISTRY_AUTH_FILE: "/proc/nonexistent" }, deadline: 120_000 },
      );
    },
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
