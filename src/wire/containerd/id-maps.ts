// How a mount says whose ids its layers have: by two options of our own, which who performs it takes out (idmapped-layers.ts).
import type { IdMapping } from "../../spec/oci/runtime.ts";
import type { Mount } from "./services.ts";

// Names of our own: a shim that does not know them must refuse the mount (the kernel does) rather than do without.
const UIDS = "X-bunker.uidmap=";
const GIDS = "X-bunker.gidmap=";

export interface IdMaps {
  uids: IdMapping[];
  gids: IdMapping[];
}

const words = (maps: readonly IdMapping[]): string =>
  maps.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`).join("+");

function parse(text: string): IdMapping[] {
  return text.split("+").map((map) => {
    const [containerID, hostID, size] = map.split(":").map(Number);
    if (containerID === undefined || hostID === undefined || !size) throw new Error(`bad id map ${text}`);
    return { containerID, hostID, size };
  });
}

/** The mounts of a snapshot with their layers mapped. */
export function idmapped(mounts: readonly Mount[], { uids, gids }: IdMaps): Mount[] {
  return mounts.map((mount) => ({
    ...mount,
    options: [`${UIDS}${words(uids)}`, `${GIDS}${words(gids)}`, ...mount.options],
  }));
}

/** What `idmapped` has put among a mount's options, and the options without it; undefined for an ordinary mount. */
export function idMapsOf(options: readonly string[]): (IdMaps & { others: string[] }) | undefined {
  const uids = options.find((option) => option.startsWith(UIDS));
  const gids = options.find((option) => option.startsWith(GIDS));
  if (uids === undefined || gids === undefined) return undefined;
  return {
    uids: parse(uids.slice(UIDS.length)),
    gids: parse(gids.slice(GIDS.length)),
    others: options.filter((option) => option !== uids && option !== gids),
  };
}
