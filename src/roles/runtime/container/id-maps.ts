// User namespace maps: written by the runtime, which has the privilege, while the launcher waits. man 7 user_namespaces
import { O_WRONLY } from "../../../../ffi/constants/fcntl.ts";
import { open, write } from "../../../../ffi/file.ts";
import type { IdMapping, Linux } from "../../../spec/oci/runtime.ts";

const lines = (maps: readonly IdMapping[]) =>
  maps.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");

/** Writes uid_map and gid_map of a process in a new user namespace. */
export function writeIdMaps(pid: number, linux: Linux): void {
  for (const [file, maps] of [
    ["uid_map", linux.uidMappings],
    ["gid_map", linux.gidMappings],
  ] as const) {
    const path = `/proc/${pid}/${file}`;
    try {
      // The kernel takes the whole map in one write.
      using file = open(path, O_WRONLY);
      write(file, new TextEncoder().encode(lines(maps ?? [])));
    } catch (error) {
      throw new Error(`failed to write ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
}
