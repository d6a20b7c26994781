// Ids on either side of a user namespace. man 7 user_namespaces; runtime-spec config-linux.md#user-namespace-mappings
import type { IdMapping } from "./runtime.ts";

/** The host's id behind one of the container's; undefined for one that is not mapped. */
export function hostId(id: number, maps: readonly IdMapping[]): number | undefined {
  const map = maps.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return map && map.hostID + id - map.containerID;
}

/** The container's id for one of the host's; undefined for one that it has none for. */
export function containerId(id: number, maps: readonly IdMapping[]): number | undefined {
  const map = maps.find(({ hostID, size }) => id >= hostID && id < hostID + size);
  return map && map.containerID + id - map.hostID;
}
