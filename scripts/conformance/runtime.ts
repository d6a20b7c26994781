// How a runtime is called by the suites.
import { readFileSync } from "node:fs";
import type { Runtime } from "./tap.ts";

/** What a command says on stdout; undefined when it fails. */
export function said(cmd: string[]): string | undefined {
  const { exitCode, stdout } = Bun.spawnSync(cmd, { stderr: "ignore" });
  return exitCode === 0 ? stdout.toString() : undefined;
}

/**
 * The command in a mount namespace of its own: a runtime may leave mounts behind (runc without a mount namespace in
 * config.json does). crun refuses a hybrid set of hierarchies; there it gets one without the unified hierarchy.
 */
export function privately(runtime: Runtime, cmd: string[]): string[] {
  const unified = "/sys/fs/cgroup/unified";
  const hybrid = readFileSync("/proc/self/mountinfo", "utf8").includes(` ${unified} `);
  const without = hybrid && said([runtime.path, "--version"])?.startsWith("crun ");
  // Mounts are shared, as a session manager leaves them, so that there is a master for those who want to be slaves.
  const shared = ["unshare", "-m", "--propagation", "private", "sh", "-c"];
  return [
    ...shared,
    `mount --make-rshared /; ${without ? `umount ${unified}; ` : ""}exec "$@"`,
    "sh",
    ...cmd,
  ];
}
