// Flags of open(2) and open_tree(2) that many records share, made once.

import { O_NOFOLLOW } from "../../../../ffi/arch/index.ts";
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_WRONLY,
} from "../../../../ffi/constants/fcntl.ts";
import { OPEN_TREE_CLONE } from "../../../../ffi/constants/mount.ts";
import { bits } from "../../../launcher/plan.ts";

/** For openInRoot, which adds O_CLOEXEC itself. */
export const PATH = bits({ O_PATH });
export const DIRECTORY = bits({ O_PATH, O_DIRECTORY });
/** A symbolic link itself, where the path is one. */
export const LINK = bits({ O_PATH, O_NOFOLLOW });
/** A directory that is no symbolic link itself. */
export const REAL_DIRECTORY = bits({ O_PATH, O_DIRECTORY, O_NOFOLLOW });
/** For openat. */
export const OPEN_DIRECTORY = bits({ O_PATH, O_DIRECTORY, O_CLOEXEC });
export const OPEN_WRITE = bits({ O_WRONLY, O_CLOEXEC });

const OPEN_TREE_CLOEXEC = O_CLOEXEC; // linux/mount.h defines it so
/** A detached copy of a mount by path, without and with what is mounted below. */
export const COPY = bits({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC });
export const COPY_LINK = bits({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_SYMLINK_NOFOLLOW });
export const COPY_ALL = bits({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE });
/** The same of an open file. */
export const COPY_OPEN = bits({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_EMPTY_PATH });
export const COPY_OPEN_ALL = bits({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_EMPTY_PATH, AT_RECURSIVE });
