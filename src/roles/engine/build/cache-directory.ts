// The directories behind RUN --mount=type=cache, and who may have one: `shared` all at once, `locked` one after another,
// `private` whoever comes first (the next gets one of its own).
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RunMount } from "./dockerfile/mount.ts";

type CacheMount = RunMount & { type: "cache" };

export interface CachePlace extends Disposable {
  path: string;
}

/** Ends of the uses that `locked` and `private` mounts wait for or go around, by path. */
const taken = new Map<string, Promise<void>>();

function directoryOf(root: string, name: string, mount: CacheMount): string {
  const path = join(root, name);
  if (mkdirSync(path, { recursive: true }) !== undefined) {
    chownSync(path, mount.uid, mount.gid);
    chmodSync(path, mount.mode);
  }
  return path;
}

/** The directory for one use of the mount. Throws the signal's reason when the wait for it is given up. */
export async function claimCache(root: string, mount: CacheMount, signal: AbortSignal): Promise<CachePlace> {
  const name = new Bun.CryptoHasher("sha256").update(mount.id).digest("hex");
  if (mount.sharing === "shared") return { path: directoryOf(root, name, mount), [Symbol.dispose]() {} };
  let place = join(root, name);
  if (mount.sharing === "private") {
    for (let i = 1; taken.has(place); i++) place = join(root, `${name}-${i}`);
  }
  for (let other = taken.get(place); other; other = taken.get(place)) {
    const aborted = Promise.withResolvers<void>();
    const wake = (): void => aborted.resolve();
    signal.addEventListener("abort", wake, { once: true });
    await Promise.race([other, aborted.promise]);
    signal.removeEventListener("abort", wake);
    signal.throwIfAborted();
  }
  const end = Promise.withResolvers<void>();
  taken.set(place, end.promise);
  const path = directoryOf(root, place.slice(root.length + 1), mount);
  return {
    path,
    [Symbol.dispose]() {
      taken.delete(place);
      end.resolve();
    },
  };
}
