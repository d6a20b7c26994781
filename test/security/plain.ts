// The same tricks on a runtime as one writes it at first: a few lines of shell that mount, open and join by path. A test that
// an attack fails is worth something only if the attack works on this one.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Attack } from "./attack.ts";

/** What the plain runtime does, by path, as the steps of config.json come. */
const STEPS = `
bind() { mkdir -p "$ROOT$2"; mount --bind "$1" "$ROOT$2"; }
fresh() { mkdir -p "$ROOT$2"; mount -t "$1" "$1" "$ROOT$2"; }
enter() { chroot "$ROOT" /bin/sh -c "$1"; }
mask() { chroot "$ROOT" /bin/mount --bind /dev/null "$1"; }
`;

export interface Plain {
  code: number | null;
  out: string;
  err: string;
}

/**
 * Runs a script with these steps in a mount namespace of its own; $ROOT, $VOLUME, $SECRET and $HERE (the test's directory)
 * are set.
 */
export function plainly(ground: Attack, script: string): Plain {
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    // In a pid namespace of its own, so that nothing of it outlives a time-out.
    [
      "--mount",
      "--propagation",
      "private",
      "--pid",
      "--fork",
      "--kill-child",
      "sh",
      "-ec",
      `${STEPS}\n${script}`,
    ],
    {
      env: {
        ...process.env,
        ROOT: ground.rootfs,
        VOLUME: ground.volume,
        SECRET: ground.secret,
        HERE: ground.directory,
      },
      timeout: 20_000,
      encoding: "utf8",
    },
  );
  return { code: status, out: stdout, err: stderr };
}

/** Debian 12's runc, in which a hole of 2025 is open: that trick is tried on it too. "" when it is there. */
export const noOldRunc = (() => {
  const { status, stdout } = spawnSync("runc", ["--version"], { encoding: "utf8" });
  if (status !== 0) return "no runc";
  return /version 1\.1\./.test(stdout) ? "" : "runc is not 1.1";
})();

/** Runs the bundle as it is by that runc. */
export function oldRunc(ground: Attack, ...before: string[]): Plain {
  const words = [
    ...before,
    "runc",
    "--root",
    `${ground.root}-old`,
    "run",
    "--bundle",
    ground.bundle,
    ground.id,
  ];
  const { status, stdout, stderr } = spawnSync(words[0]!, words.slice(1), {
    timeout: 20_000,
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
}

/** The file that a successful redirection shows: harmless to read, and never what a container is given. */
export const CORE_PATTERN = "/proc/sys/kernel/core_pattern";
export const corePattern = () => (existsSync(CORE_PATTERN) ? readFileSync(CORE_PATTERN, "utf8") : "");
