// The mounts of a RUN step, as the containers part takes them.
import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { toByteName } from "../../../../ffi/tree.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { parseMount, type RunMount } from "./dockerfile/mount.ts";
import { expandWord, type Lookup } from "./dockerfile/words.ts";
import { joinPath } from "./paths.ts";
import type { StepGround } from "./step.ts";
import { findIn, hashTree, landingIn } from "./tree.ts";

/** Directories that RUN --mount=type=cache keeps from one build to the next. */
export const cacheRoot = (dataRoot: string): string => join(dataRoot, "buildcache");

export interface RunMounts {
  /** HostConfig.Mounts */
  mounts: Record<string, unknown>[];
  /** What of them belongs into the cache's key: the instruction's own words, and what a bind shows. */
  key: string;
  /** Their places inside. */
  targets: string[];
}

function cacheDirectory(dataRoot: string, mount: RunMount & { type: "cache" }): string {
  const name = new Bun.CryptoHasher("sha256").update(mount.id).digest("hex");
  const path = join(cacheRoot(dataRoot), name);
  if (mkdirSync(path, { recursive: true }) !== undefined) {
    chownSync(path, mount.uid, mount.gid);
    chmodSync(path, mount.mode);
  }
  return path;
}

function bindOf(ground: StepGround, mount: RunMount & { type: "bind" }): { path: string; hash: string } {
  const { root, scratch } = ground.context;
  if (!root) throw new DockerfileError("missing build context");
  const found = findIn(root, toByteName(mount.source || "."));
  if (!found) {
    throw new DockerfileError(
      `stat ${mount.source}: file not found in build context or excluded by .dockerignore`,
    );
  }
  using place = found.fd;
  const hash = new Bun.CryptoHasher("sha256");
  hashTree(hash, place, "", "");
  // Free of symlinks, so that the path means the same when it is mounted.
  const { parts } = landingIn(root, toByteName(mount.source || "."));
  const inside = parts.map((part) => Buffer.from(part, "latin1").toString("utf8"));
  return { path: join(scratch, "context", ...inside), hash: hash.digest("hex") };
}

/** Throws DockerfileError. */
export function runMounts(
  ground: StepGround,
  texts: readonly string[],
  workingDir: string,
  lookup: Lookup,
): RunMounts {
  const mounts: Record<string, unknown>[] = [];
  const keys: string[] = [];
  const targets: string[] = [];
  for (const text of texts) {
    const mount = parseMount(expandWord(text, lookup));
    const Target = joinPath(workingDir || "/", mount.target);
    targets.push(Target);
    if (mount.type === "tmpfs") {
      const options = mount.size > 0 ? { TmpfsOptions: { SizeBytes: mount.size } } : {};
      mounts.push({ Type: "tmpfs", Target, ...options });
      keys.push(`--mount=${text}`);
    } else if (mount.type === "cache") {
      const Source = cacheDirectory(ground.engine.config.dataRoot, mount);
      mounts.push({ Type: "bind", Source, Target, ReadOnly: mount.readOnly });
      keys.push(`--mount=${text}`);
    } else {
      const { path, hash } = bindOf(ground, mount);
      mounts.push({ Type: "bind", Source: path, Target, ReadOnly: true });
      keys.push(`--mount=${text} ${hash}`);
    }
  }
  return { mounts, key: keys.join(" "), targets };
}

/** Removes the caches of RUN steps. */
export function pruneRunCaches(dataRoot: string): void {
  rmSync(cacheRoot(dataRoot), { recursive: true, force: true });
}
