// Mounts that are in no directory tree: reachable by their descriptor only, gone when it is closed. man 2 fsopen, fsmount.
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
} from "./constants/mount.ts";
import { Fd } from "./fd.ts";
import { cstr, syscall } from "./libc.ts";

/**
 * A read-only overlay of at least two layers, the uppermost first, as a directory descriptor.
 * Needs `lowerdir+` (Linux 6.8); throws SyscallError EINVAL on an older kernel.
 */
export function overlayView(layers: readonly string[]): Fd {
  using context = new Fd(syscall("fsopen", "overlay", cstr("overlay"), FSOPEN_CLOEXEC), "overlay");
  const set = (key: string, value: string): void => {
    syscall("fsconfig", value, context.number, FSCONFIG_SET_STRING, cstr(key), cstr(value), 0);
  };
  for (const layer of layers) set("lowerdir+", layer);
  syscall("fsconfig", "overlay", context.number, FSCONFIG_SET_FLAG, cstr("ro"), null, 0);
  syscall("fsconfig", layers[0], context.number, FSCONFIG_CMD_CREATE, null, null, 0);
  const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  return new Fd(syscall("fsmount", layers[0], context.number, FSMOUNT_CLOEXEC, attributes), "overlay view");
}
