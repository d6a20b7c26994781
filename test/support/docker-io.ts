// Debian's docker.io as a daemon of its own, for tests that hold our engine against it.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Netns } from "./netns.ts";
import { plainEnvironment, run, until } from "./process.ts";

export const realDockerd = existsSync("/usr/sbin/dockerd") ? "/usr/sbin/dockerd" : undefined;

export interface RealDaemon extends AsyncDisposable {
  /** unix://… */
  host: string;
  /** Everything of it is below this one. */
  dir: string;
}

/**
 * Starts it in the namespace, without networks of its own unless other arguments are given. Throws with its log when it
 * does not come up.
 */
export async function startRealDaemon(
  netns: Netns,
  args: readonly string[] = ["--bridge=none", "--iptables=false"],
): Promise<RealDaemon> {
  const dir = mkdtempSync(join(tmpdir(), "bunker-docker-io-"));
  const log = join(dir, "log");
  const child = Bun.spawn(
    netns.inside([
      realDockerd!,
      "-H",
      `unix://${dir}/docker.sock`,
      "--data-root",
      join(dir, "data"),
      "--exec-root",
      join(dir, "exec"),
      "--pidfile",
      join(dir, "pid"),
      ...args,
    ]),
    { env: plainEnvironment(), stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  void (async () => {
    for await (const chunk of child.stderr) writeFileSync(log, chunk, { flag: "a" });
  })();
  await until("Debian's dockerd", async () => {
    if (child.exitCode !== null)
      throw new Error(`it exited ${child.exitCode}:\n${readFileSync(log, "utf8")}`);
    const ping = await fetch("http://localhost/_ping", { unix: `${dir}/docker.sock` }).catch(() => null);
    return ping?.ok;
  });
  return {
    host: `unix://${dir}/docker.sock`,
    dir,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      // It leaves a namespace and its data root mounted.
      const mounted = readFileSync("/proc/self/mounts", "utf8").matchAll(/^\S+ (\S+) /gm);
      for (const [, path] of [...mounted].reverse()) {
        if (path!.startsWith(`${dir}/`)) await run(["umount", "-l", path!]);
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
