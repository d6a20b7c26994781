// The built executable and its names, as a user installs them.
import { existsSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = dirname(dirname(import.meta.dir));

/** dist/bunker; `npm test` builds it before any test runs. */
export const bunker = join(root, "dist", "bunker");

export const built = existsSync(bunker);

/** docker CLI 28 where the machine has one, else Debian's. Undefined when there is none. */
export const realDocker = ["/usr/local/bin/docker", "/usr/bin/docker"].find((path) => existsSync(path));

/** A new directory with one symlink a role. */
export function linkRoles(): string {
  const dir = mkdtempSync(join(tmpdir(), "bunker-bin-"));
  for (const name of [
    "docker",
    "dockerd",
    "containerd",
    "ctr",
    "containerd-shim-bunker-v2",
    "containerd-shim-runc-v2",
    "runc",
    "docker-containerd",
    "docker-containerd-shim",
    "docker-containerd-ctr",
    "docker-runc",
  ]) {
    symlinkSync(bunker, join(dir, name));
  }
  return dir;
}
