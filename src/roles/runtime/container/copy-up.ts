// tmpcopyup: what the image has at a tmpfs's place is copied into it. config.md#linux-mount-options
import {
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_WRONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { makedev, read, write } from "../../../../ffi/file.ts";
import * as tree from "../../../../ffi/tree.ts";

/** Copies all that is in one directory into another, with owners, modes and times. Symlinks are copied, never followed. */
export function copyUp(from: Fd, to: Fd): void {
  for (const name of tree.namesIn(from)) {
    const stat = tree.statAt(from, name);
    if (stat) copyOne(from, to, name, stat);
  }
}

function copyOne(from: Fd, to: Fd, name: tree.ByteName, stat: tree.FileStat): void {
  if (stat.type === S_IFLNK) {
    tree.makeSymlink(tree.readLink(from, name), to, name);
    tree.changeOwner(to, name, stat.uid, stat.gid);
  } else if (stat.type === S_IFDIR) {
    tree.makeDirectory(to, name, 0o700);
    using source = tree.openDirectory(from, name);
    using target = tree.openDirectory(to, name);
    copyUp(source, target);
    own(to, name, stat);
  } else if (stat.type === S_IFREG) {
    using source = tree.openName(from, name, O_RDONLY | O_NOFOLLOW);
    using target = tree.openName(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    copyBytes(source, target);
    own(to, name, stat);
  } else {
    tree.makeNode(to, name, stat.mode, makedev(stat.rdevMajor, stat.rdevMinor));
    own(to, name, stat);
  }
}

/** The owner first: changing it clears the set-user-id bit. */
function own(directory: Fd, name: tree.ByteName, stat: tree.FileStat): void {
  tree.changeOwner(directory, name, stat.uid, stat.gid);
  tree.changeMode(directory, name, stat.mode & 0o7777);
  tree.setTimes(directory, name, stat.mtime, stat.mtime);
}

function copyBytes(source: Fd, target: Fd): void {
  const buffer = new Uint8Array(1 << 18);
  for (;;) {
    const length = read(source, buffer);
    if (length === 0) return;
    for (let at = 0; at < length; ) at += write(target, buffer.subarray(at, length));
  }
}
