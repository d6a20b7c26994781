// What an entry says about its file besides the content: owner, attributes, mode, times — in this order, for a chown
// clears setuid bits and file capabilities.
import { isErrno } from "../../../ffi/errno.ts";
import type { Fd } from "../../../ffi/fd.ts";
import {
  type ByteName,
  changeMode,
  changeModeOf,
  changeOwner,
  type FileTime,
  setAttribute,
  setTimes,
} from "../../../ffi/tree.ts";
import { ArchiveError, type TarEntry } from "./entry.ts";

/** Whether an extended attribute belongs to the file and not to the host it lies on: these go into archives. */
export const isLayerAttribute = (attribute: ByteName): boolean =>
  attribute === "security.capability" || (attribute.startsWith("user.") && !foreign(attribute));

/** Highest id that is one: 0xffffffff means "leave as it is" to chown(2). */
const MAX_ID = 0xfffffffe;

function checkOwner(entry: TarEntry): void {
  for (const id of [entry.uid, entry.gid]) {
    if (id < 0 || id > MAX_ID) throw new ArchiveError(`owner ${entry.uid}:${entry.gid} is out of range`);
  }
}

/** Attributes that steer an overlay mount are the snapshotter's own: a layer must not smuggle them in. */
const foreign = (attribute: ByteName) => /^(trusted|user)\.overlay\./.test(attribute);

function setAttributes(dir: Fd, name: ByteName, entry: TarEntry): void {
  for (const [attribute, value] of entry.attributes) {
    if (foreign(attribute)) continue;
    try {
      setAttribute(dir, name, attribute, value);
    } catch (error) {
      // The file system has no such attributes, or not on this type of file: as containerd and GNU tar, go on without.
      if (!isErrno(error, "EOPNOTSUPP") && !(isErrno(error, "EPERM") && attribute.startsWith("user.")))
        throw error;
    }
  }
}

/** Times before the epoch become the epoch, as containerd has it. */
const bound = (time: FileTime): FileTime => (time.seconds < 0 ? { seconds: 0, nanoseconds: 0 } : time);

/** Access time of an unpacked file: the later of the two the archive names. */
function accessTime(entry: TarEntry): FileTime {
  const { atime, mtime } = entry;
  if (!atime) return bound(mtime);
  const later =
    atime.seconds > mtime.seconds ||
    (atime.seconds === mtime.seconds && atime.nanoseconds > mtime.nanoseconds);
  return bound(later ? atime : mtime);
}

/** Everything for an open regular file `name` in `dir`. */
export function applyToFile(dir: Fd, name: ByteName, file: Fd, entry: TarEntry): void {
  checkOwner(entry);
  changeOwner(file, "", entry.uid, entry.gid);
  if (entry.attributes.size > 0) setAttributes(dir, name, entry);
  changeModeOf(file, entry.mode);
  setTimes(file, undefined, accessTime(entry), bound(entry.mtime));
}

/** Everything for a file of another type, by name. A directory's times come last of all: see `applyTimes`. */
export function applyByName(dir: Fd, name: ByteName, entry: TarEntry, isSymlink: boolean): void {
  checkOwner(entry);
  changeOwner(dir, name, entry.uid, entry.gid);
  setAttributes(dir, name, entry);
  if (!isSymlink) changeMode(dir, name, entry.mode);
  if (entry.type !== "directory") setTimes(dir, name, accessTime(entry), bound(entry.mtime));
}

/** The times of an open directory, once nothing is made in it any more. */
export function applyTimes(directory: Fd, entry: TarEntry): void {
  setTimes(directory, undefined, accessTime(entry), bound(entry.mtime));
}
