// The pid file, and the locks that make "only one" true even when two start in the same instant.
import { fstatSync, ftruncateSync, mkdirSync, readFileSync, statSync, unlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Fd } from "../../../../ffi/fd.ts";
import { tryLock } from "../../../../ffi/flock.ts";
import { ConfigError } from "./values.ts";

export interface Held {
  /** Removes the pid file and gives up the locks. */
  release(): void;
}

const DAEMON = /(^|\/)(dockerd|docker-engine|bunker)\0|\0(dockerd|docker-engine|daemon)(\0|$)/;

// Another implementation's daemon holds no lock of ours; its pid in the file tells, if that process is a daemon still.
function otherDaemon(path: string): number | undefined {
  const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
  try {
    return DAEMON.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")) ? pid : undefined;
  } catch {
    return undefined; // no such process: the file is stale
  }
}

function refusal(path: string, pid: string | number): ConfigError {
  return new ConfigError(
    `pid file found, ensure docker is not running or delete ${path}: process with PID ${pid} is still running`,
  );
}

function lockPidfile(path: string): Fd {
  for (;;) {
    const fd = tryLock(path);
    if (!fd) throw refusal(path, readFileSync(path, "utf8").trim() || "unknown");
    try {
      // A daemon that just went may have unlinked the file that we have locked.
      if (statSync(path).ino !== fstatSync(fd.number).ino)
        throw Object.assign(new Error(), { code: "ENOENT" });
      const pid = otherDaemon(path);
      if (pid !== undefined) throw refusal(path, pid);
      return fd;
    } catch (error) {
      fd.close();
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/**
 * Writes our pid and holds the file, and the data root, until `release` or until this process dies in any way.
 * Throws ConfigError with the classic words when another engine is there.
 */
export function holdPidfile(path: string, dataRoot: string): Held {
  mkdirSync(dirname(path), { recursive: true });
  const fd = path === "" ? undefined : lockPidfile(path);
  const data = tryLock(join(dataRoot, "engine.lock"));
  if (!data) {
    fd?.close();
    throw new ConfigError(`another engine is running on the data root ${dataRoot}`);
  }
  if (fd) {
    ftruncateSync(fd.number, 0);
    writeSync(fd.number, String(process.pid), 0);
  }
  return {
    release() {
      if (fd) {
        try {
          unlinkSync(path);
        } catch {}
        fd.close();
      }
      data.close();
    },
  };
}
