// A path inside a container, as the engine tells of it.
import type { EngineClient } from "../../../wire/engine/client.ts";

/** Go's os.FileMode bits. */
const DIRECTORY = 2 ** 31;
const SYMLINK = 2 ** 27;
const OTHER = 2 ** 26 + 2 ** 25 + 2 ** 24 + 2 ** 21 + 2 ** 19;

export interface PathStat {
  name: string;
  size: number;
  mode: number;
  linkTarget: string;
}

const has = (mode: number, bit: number) => (BigInt(mode) & BigInt(bit)) !== 0n;

export const isDirectory = ({ mode }: PathStat): boolean => has(mode, DIRECTORY);
export const isSymlink = ({ mode }: PathStat): boolean => has(mode, SYMLINK);
/** A device, a pipe, a socket: nothing can be copied onto it. */
export const isSpecial = ({ mode }: PathStat): boolean => has(mode, OTHER);

export const archivePath = (container: string): string =>
  `/containers/${encodeURIComponent(container)}/archive`;

/** The stat that came with an answer. Throws when it is not there. */
export function statOf(response: Response): PathStat {
  const header = response.headers.get("x-docker-container-path-stat");
  if (!header) throw new Error("unable to get resource stat from response");
  return JSON.parse(Buffer.from(header, "base64").toString("utf8")) as PathStat;
}

/** HEAD …/archive. Throws EngineError when the path is not there. */
export async function statPath(client: EngineClient, container: string, path: string): Promise<PathStat> {
  return statOf(await client.request("HEAD", archivePath(container), { query: { path: slashed(path) } }));
}

/** Paths go with forward slashes only, as the docker CLI sends them. */
export const slashed = (path: string): string => path.replaceAll("\\", "/");
