// Paths of `docker cp`: what a trailing slash and a last "." say is part of them. As moby's archive package reads them.
import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, normalize, resolve } from "node:path";
import { openError } from "../errors.ts";

/** One end of a copy. */
export interface CopyEnd {
  path: string;
  exists: boolean;
  directory: boolean;
  /** The name to appear under when a symlink was followed and its target is called otherwise. */
  rename?: string;
}

const hasSlash = (path: string) => path.endsWith("/");
const base = (path: string) =>
  path.replace(/\/+$/, "") === "" ? "/" : path.replace(/\/+$/, "").split("/").at(-1)!;
const isDot = (path: string) => base(path) === ".";
const clean = (path: string) =>
  normalize(path).length > 1 ? normalize(path).replace(/\/+$/, "") : normalize(path);

/** "CONTAINER:PATH" → both; a local path has no container. A leading "." or "/" makes a path local whatever it holds. */
export function splitArgument(argument: string): { container: string; path: string } {
  const colon = argument.indexOf(":");
  if (isAbsolute(argument) || colon < 0 || argument.startsWith(".")) return { container: "", path: argument };
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) };
}

/** `to` says whatever `from` said by its end. */
function keepEnd(to: string, from: string): string {
  let path = to;
  if (!isDot(path) && isDot(from)) path += hasSlash(path) ? "." : "/.";
  if (!hasSlash(path) && hasSlash(from)) path += "/";
  return path;
}

/** A local path, absolute. */
export const localPath = (path: string): string => keepEnd(clean(resolve(path)), path);

/** The directory a path lies in, and its name there; "dir/." is the entry "." of dir. */
export function splitEntry(path: string): { directory: string; name: string } {
  const whole = clean(path) + (isDot(path) ? "/." : "");
  if (isDot(path)) return { directory: clean(path), name: "." };
  return { directory: dirname(whole), name: base(whole) };
}

/** `target`: what `path` leads to. Keeps what the path's end said. */
export function followed(path: string, target: string): { path: string; rename?: string } {
  let result = target;
  if (isDot(path) && !isDot(result)) result += "/.";
  if (hasSlash(path) && !hasSlash(result)) result += "/";
  return base(path) === base(result) ? { path: result } : { path: result, rename: base(path) };
}

/** The absolute path a symlink at `path` points at. */
export const linkTarget = (path: string, target: string): string =>
  isAbsolute(target) ? target : join(splitEntry(path).directory, target);

/** What is to be copied from here. Throws with docker's words when it is not there. */
export function localSource(path: string, followLink: boolean): CopyEnd {
  const found = (): { path: string; rename?: string } => {
    if (followLink) return followed(path, realpathSync(path));
    // The link itself is copied, but what leads to it is resolved; a trailing slash asks for its target's name.
    const { directory, name } = splitEntry(path);
    return { path: keepEnd(clean(join(realpathSync(directory), name === "." ? "" : name)), path) };
  };
  try {
    const end = found();
    return { ...end, exists: true, directory: lstatSync(end.path).isDirectory() };
  } catch (error) {
    throw openError(path.length > 1 ? path.replace(/\/+$/, "") : path, error, "lstat");
  }
}

/** Where something is to be copied to, here. Its parent must be there. */
export function localTarget(given: string): CopyEnd {
  let path = given;
  for (let links = 0; ; links++) {
    let stat: ReturnType<typeof lstatSync>;
    try {
      stat = lstatSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw openError(path, error, "lstat");
      const { directory } = splitEntry(path);
      let parent: ReturnType<typeof statSync>;
      try {
        parent = statSync(directory);
      } catch (failure) {
        throw openError(directory, failure, "stat");
      }
      if (!parent.isDirectory()) throw new Error("not a directory");
      return { path, exists: false, directory: false };
    }
    if (!stat.isSymbolicLink()) return { path, exists: true, directory: stat.isDirectory() };
    if (links > 10) throw new Error(`too many symlinks in ${JSON.stringify(given)}`);
    path = linkTarget(path, readlinkSync(path));
  }
}

/**
 * Where the archive is unpacked, and the name its content takes there (undefined: its own).
 * Throws with docker's words when source and target do not go together.
 */
export function plan(source: CopyEnd, target: CopyEnd): { directory: string; rename?: string } {
  if (target.exists && target.directory) return { directory: target.path };
  if (target.exists && source.directory) throw new Error("cannot copy directory");
  if (!target.exists && !source.directory && (hasSlash(target.path) || isDot(target.path))) {
    throw new Error("no such directory");
  }
  const { directory, name } = splitEntry(target.path);
  return { directory, rename: name };
}

/** Throws when nothing can be put at a local path. */
export function checkOutput(path: string): void {
  const directory = dirname(clean(path));
  try {
    statSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new Error(`invalid output path: directory ${JSON.stringify(directory)} does not exist`);
    }
  }
  let stat: ReturnType<typeof statSync>;
  try {
    stat = statSync(path);
  } catch {
    return;
  }
  if (!stat.isDirectory() && !stat.isFile()) {
    const kind = stat.isCharacterDevice() || stat.isBlockDevice() ? "got a device" : "got an irregular file";
    throw new Error(
      `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: ${kind}`,
    );
  }
}
