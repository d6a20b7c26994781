// User namespace maps: written by the runtime, which has the privilege, while the launcher waits. man 7 user_namespaces
import { O_WRONLY } from "../../ffi/constants/fcntl.ts";
import { open, write } from "../../ffi/file.ts";
import type { IdMapping, Linux } from "../spec/oci/runtime.ts";

const lines = (maps: readonly IdMapping[]) =>
  maps.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");

/** Writes uid_map and gid_map of a process in a new user namespace, by newuidmap and newgidmap where only they may. */
export function writeIdMaps(pid: number, linux: Linux): void {
  const uids = linux.uidMappings ?? [];
  const gids = linux.gidMappings ?? [];
  const privileged = process.geteuid?.() === 0;
  if (privileged || isOwn(uids, process.geteuid?.())) writeMap(`/proc/${pid}/uid_map`, lines(uids));
  else byHelper("newuidmap", pid, uids);
  if (privileged) writeMap(`/proc/${pid}/gid_map`, lines(gids));
  else if (isOwn(gids, process.getegid?.())) {
    // Without privilege only after setgroups is given up, so that nobody drops out of a group that is denied something.
    writeMap(`/proc/${pid}/setgroups`, "deny");
    writeMap(`/proc/${pid}/gid_map`, lines(gids));
  } else byHelper("newgidmap", pid, gids);
}

/** The one map that needs no privilege: a single id, the caller's own. */
const isOwn = (maps: readonly IdMapping[], id: number | undefined) =>
  maps.length === 1 && maps[0]!.size === 1 && maps[0]!.hostID === id;

function writeMap(path: string, text: string): void {
  try {
    // The kernel takes the whole map in one write.
    using file = open(path, O_WRONLY);
    write(file, new TextEncoder().encode(text));
  } catch (error) {
    throw new Error(`failed to write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** man 1 newuidmap: it has the privilege, and checks the ranges of /etc/subuid. */
function byHelper(program: string, pid: number, maps: readonly IdMapping[]): void {
  const words = maps.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size].map(String));
  let child: ReturnType<typeof Bun.spawnSync>;
  try {
    child = Bun.spawnSync([program, String(pid), ...words], {
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
      stdin: "ignore",
    });
  } catch (error) {
    throw new Error(
      `${program} is needed to map more ids than one's own, and cannot be run (package uidmap?): ${(error as Error).message}`,
      { cause: error },
    );
  }
  if (child.exitCode !== 0)
    throw new Error(
      `${program} ${words.join(" ")}: ${child.stderr?.toString().trim() || `exit ${child.exitCode}`}`,
    );
}
