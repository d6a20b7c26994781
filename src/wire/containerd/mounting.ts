// The mounts that a snapshotter hands out (and containerd with a task's Create): performed at a directory, and taken away again.
import { isErrno } from "../../../ffi/errno.ts";
import { cstr, syscall } from "../../../ffi/libc.ts";
import { mountArguments } from "../../../ffi/mount-flags.ts";
import { makeDirectories } from "../../../ffi/path.ts";
import { idMapsOf } from "./id-maps.ts";
import type { mountIdmapped } from "./idmapped-layers.ts";
import type { Mount } from "./services.ts";

const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
/** The kernel takes one page of mount data. */
const PAGE = 4096;

function mount(source: string, target: string, type: string, flags: number, data: string): void {
  syscall(
    "mount",
    target,
    cstr(source || "none"),
    cstr(target),
    type ? cstr(type) : null,
    flags,
    data ? cstr(data) : null,
  );
}

/**
 * Overlay options over a page long: lowerdir is shortened by mounting from the layers' common parent directory,
 * as containerd does. Returns the directory to stand in and the shorter data.
 */
export function shortened(data: string): { directory: string; data: string } | undefined {
  const parts = data.split(",");
  const at = parts.findIndex((part) => part.startsWith("lowerdir="));
  if (at < 0) return undefined;
  const layers = parts[at]!.slice("lowerdir=".length).split(":");
  const segments = layers.map((layer) => layer.split("/"));
  let depth = 0;
  while (segments.every((s) => depth < s.length - 1 && s[depth] === segments[0]![depth])) depth++;
  const directory = segments[0]!.slice(0, depth).join("/");
  if (directory === "") return undefined;
  const relative = layers.map((layer) => layer.slice(directory.length + 1));
  return { directory, data: parts.with(at, `lowerdir=${relative.join(":")}`).join(",") };
}

function mountOne(
  { type, source, target = "", options }: Mount,
  directory: string,
  mapping: typeof mountIdmapped | undefined,
): void {
  const where = target ? `${directory}/${target}` : directory;
  const ids = idMapsOf(options);
  if (ids) {
    if (!mapping) throw new Error(`mount ${where}: layers with mapped ids cannot be mounted here`);
    mapping({ type, source, options: ids.others }, ids, where, undoMounts);
    return;
  }
  const { flags, data } = mountArguments(options);
  if (data.length < PAGE) mount(source, where, type, flags, data);
  else {
    const shorter = shortened(data);
    if (!shorter || shorter.data.length >= PAGE)
      throw new Error(`mount ${where}: ${data.length} bytes of options, at most ${PAGE - 1} fit`);
    const home = process.cwd();
    process.chdir(shorter.directory);
    try {
      mount(source, where, type, flags, shorter.data);
    } finally {
      process.chdir(home);
    }
  }
  // A bind mount takes its own flags only when mounted a second time.
  if (flags & MS_BIND && flags & ~(MS_BIND | 16384)) mount(source, where, type, flags | MS_REMOUNT, "");
}

/**
 * Performs the mounts in order; on an error takes back those already done.
 * @param mapping performs those whose layers have mapped ids: given by callers that may meet them, since hardly any shim does
 */
export function performMounts(
  mounts: readonly Mount[],
  directory: string,
  mapping?: typeof mountIdmapped,
): void {
  if (mounts.length === 0) return;
  makeDirectories(directory, 0o711);
  try {
    for (const each of mounts) mountOne(each, directory, mapping);
  } catch (error) {
    undoMounts(directory);
    throw error;
  }
}

/** Takes away every mount at `directory`. No error when there is none, or no such directory. */
export function undoMounts(directory: string): void {
  for (;;) {
    try {
      syscall("umount2", directory, cstr(directory), UMOUNT_NOFOLLOW);
    } catch (error) {
      if (isErrno(error, "EINVAL", "ENOENT")) return;
      if (!isErrno(error, "EBUSY")) throw error;
      // Somebody looks into it; it goes when they leave.
      syscall("umount2", directory, cstr(directory), UMOUNT_NOFOLLOW | MNT_DETACH);
    }
  }
}
