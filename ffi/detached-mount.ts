// Mounts that are in no directory tree: reachable by their descriptor only, gone when it is closed. man 2 fsopen, fsmount.
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, O_CLOEXEC } from "./constants/fcntl.ts";
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  OPEN_TREE_CLONE,
} from "./constants/mount.ts";
import { Fd } from "./fd.ts";
import { cstr, syscall } from "./libc.ts";
import { MountAttr } from "./mount-attr.ts";
import { pack } from "./struct.ts";

/** A new file system instance: fsopen → fsconfig → fsmount; `set` gets the two kinds of settings. `what`: for errors. */
export function newMount(
  type: string,
  what: string,
  configure: (set: (key: string, value?: string) => void) => void,
  attributes: number,
): Fd {
  using context = new Fd(syscall("fsopen", type, cstr(type), FSOPEN_CLOEXEC), type);
  configure((key, value) => {
    if (value === undefined) {
      syscall("fsconfig", key, context.number, FSCONFIG_SET_FLAG, cstr(key), null, 0);
    } else syscall("fsconfig", value, context.number, FSCONFIG_SET_STRING, cstr(key), cstr(value), 0);
  });
  syscall("fsconfig", what, context.number, FSCONFIG_CMD_CREATE, null, null, 0);
  return new Fd(syscall("fsmount", what, context.number, FSMOUNT_CLOEXEC, attributes), `${type} of ${what}`);
}

/**
 * A read-only overlay of at least two layers, the uppermost first, as a directory descriptor.
 * Needs `lowerdir+` (Linux 6.8); throws SyscallError EINVAL on an older kernel.
 */
export function overlayView(layers: readonly string[]): Fd {
  return newMount(
    "overlay",
    layers[0]!,
    (set) => {
      for (const layer of layers) set("lowerdir+", layer);
      set("ro");
    },
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
  );
}

/** A writable overlay over `lower` (the uppermost first). Only while nothing else has `upper` mounted. */
export function overlayMount(upper: string, work: string, lower: readonly string[]): Fd {
  return newMount(
    "overlay",
    upper,
    (set) => {
      for (const layer of lower) set("lowerdir+", layer);
      set("upperdir", upper);
      set("workdir", work);
    },
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
  );
}

/** A copy of what is mounted at `path` (or of the directory or file there), as `mount --bind` makes one. */
export function bindMount(path: string, options: { recursive: boolean; readonly: boolean }): Fd {
  const recursive = options.recursive ? AT_RECURSIVE : 0;
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | recursive;
  const copy = new Fd(syscall("open_tree", path, AT_FDCWD, cstr(path), flags), path);
  if (options.readonly) {
    try {
      changeMount(copy, { set: MOUNT_ATTR_RDONLY }, options.recursive);
    } catch (error) {
      copy.close();
      throw error;
    }
  }
  return copy;
}

/** mount_setattr(2): attributes to set, propagation, and with MOUNT_ATTR_IDMAP the user namespace that maps the ids. */
export function changeMount(
  mount: Fd,
  change: { set?: number; propagation?: number; idmap?: Fd },
  recursive: boolean,
): void {
  const { set = 0, propagation = 0, idmap } = change;
  const attr = pack(MountAttr, {
    attr_set: idmap ? set | MOUNT_ATTR_IDMAP : set,
    propagation,
    userns_fd: idmap?.number ?? 0,
  });
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  syscall("mount_setattr", mount.path, mount.number, cstr(""), flags, attr, MountAttr.size);
}

/**
 * Puts a detached mount onto a directory (or file) of another tree, which may be detached itself: then Linux 6.15 is needed,
 * and older kernels say EINVAL.
 */
export function attachMount(mount: Fd, target: Fd): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  syscall("move_mount", target.path, mount.number, cstr(""), target.number, cstr(""), flags);
}
