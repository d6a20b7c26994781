// What a path of a container is: HEAD /containers/{id}/archive, and the header of GET's answer.
import { O_DIRECTORY, O_NOFOLLOW } from "../../../../../ffi/arch/index.ts";
import {
  O_PATH,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFSOCK,
} from "../../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../../ffi/errno.ts";
import type { Fd } from "../../../../../ffi/fd.ts";
import { type FileStat, type FileTime, openInside, showName, statAt } from "../../../../../ffi/tree.ts";
import { badRequest, notFound } from "../../errors.ts";
import { type AskedPath, followLinks } from "./path.ts";

/** X-Docker-Container-Path-Stat, before base64. */
export interface PathStat {
  name: string;
  size: number;
  /** Go's os.FileMode. */
  mode: number;
  mtime: string;
  linkTarget: string;
}

// Go: io/fs.FileMode
const TYPE_BITS: ReadonlyMap<number, number> = new Map([
  [S_IFDIR, 2 ** 31],
  [S_IFLNK, 2 ** 27],
  [S_IFBLK, 2 ** 26],
  [S_IFIFO, 2 ** 25],
  [S_IFSOCK, 2 ** 24],
  [S_IFCHR, 2 ** 26 + 2 ** 21],
]);
const SPECIAL_BITS: readonly [number, number][] = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
];

/** st_mode as Go writes it. */
export function goMode(mode: number, type: number): number {
  let result = (mode & 0o777) + (TYPE_BITS.get(type) ?? 0);
  for (const [bit, go] of SPECIAL_BITS) if (mode & bit) result += go;
  return result;
}

function goFileTime({ seconds, nanoseconds }: FileTime): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  const fraction = String(nanoseconds).padStart(9, "0").replace(/0+$/, "");
  return fraction === "" ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/** ApiError 404 in docker's words. */
export const noSuchFile = (asked: AskedPath, path: string): Error =>
  notFound(`Could not find the file ${path || showName(asked.clean)} in container ${asked.container}`);

/** Opens what a path names (O_PATH): the symlink itself, unless a trailing slash asks for what is behind it. ApiError 404, 400. */
export function openAsked(root: Fd, asked: AskedPath, path: string): Fd {
  try {
    const found = openInside(root, asked.clean, O_PATH | (asked.directory ? O_DIRECTORY : O_NOFOLLOW));
    if (found) return found;
  } catch (error) {
    if (isErrno(error, "ENOTDIR")) throw badRequest(`lstat ${path}: not a directory`);
    if (isErrno(error, "ELOOP")) throw badRequest(`lstat ${path}: too many levels of symbolic links`);
    if (isErrno(error, "ENAMETOOLONG")) throw badRequest(`lstat ${path}: file name too long`);
    throw error;
  }
  throw noSuchFile(asked, path);
}

export function pathStat(root: Fd, asked: AskedPath, stat: FileStat): PathStat {
  const link = stat.type === S_IFLNK ? followLinks(root, asked.clean) : undefined;
  return {
    name: showName(asked.base),
    size: stat.size,
    mode: goMode(stat.mode, stat.type),
    mtime: goFileTime(stat.mtime),
    linkTarget: link === undefined ? "" : showName(link),
  };
}

/** PathStat and type of an opened path. */
export function describe(root: Fd, asked: AskedPath, file: Fd): { stat: PathStat; type: number } {
  const stat = statAt(file, "")!;
  return { stat: pathStat(root, asked, stat), type: stat.type };
}
