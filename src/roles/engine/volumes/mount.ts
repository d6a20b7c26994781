// Volumes of the local driver that are mounts: `--opt type=nfs --opt o=addr=… --opt device=:/path`, tmpfs, bind, and whatever else
// mount(2) knows. Mounted while a running container uses them. moby: volume/local/local_unix.go
import { readFileSync } from "node:fs";
import { MNT_DETACH } from "../../../../ffi/constants/umount.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import { mountArguments } from "../../../../ffi/mount-flags.ts";
import { ApiError, badRequest } from "../errors.ts";
import type { Volume } from "./store.ts";

const KNOWN: ReadonlySet<string> = new Set(["type", "o", "device", "size"]);
const NEEDED = ["device", "type"] as const;

/** ApiError 400 for options that the local driver does not know or that are not enough. */
export function checkMountOptions(name: string, options: Readonly<Record<string, string>>): void {
  const wrong = (why: string): never => {
    throw badRequest(`create ${name}: ${why}`);
  };
  const given = Object.keys(options);
  if (given.length === 0) return;
  for (const key of given) if (!KNOWN.has(key)) wrong(`invalid option: "${key}"`);
  if (given.length === 1 && options["size"] !== undefined) {
    wrong("quota size requested but no quota support");
  }
  for (const key of NEEDED) if (!options[key]) wrong(`missing required option: "${key}"`);
}

export const isMountVolume = (options: Readonly<Record<string, string>>): boolean =>
  options["device"] !== undefined;

function isMounted(path: string): boolean {
  const escaped = path.replace(/[\\ \t\n]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === escaped);
}

/** Mounts it unless it is. Host names in an NFS volume's `addr` must be addresses: the kernel looks none up. */
export function mountVolume(volume: Volume): void {
  if (isMounted(volume.mountpoint)) return;
  const { type = "", o = "", device = "" } = volume.options;
  const { flags, data } = mountArguments(o.split(",").filter((word) => word !== ""));
  try {
    const fileSystem = cstr(type === "none" ? "bind" : type);
    syscall(
      "mount",
      device,
      cstr(device),
      cstr(volume.mountpoint),
      fileSystem,
      flags,
      data ? cstr(data) : null,
    );
  } catch (error) {
    throw new ApiError(
      500,
      `error while mounting volume '${volume.mountpoint}': failed to mount local volume: mount ${device}:${volume.mountpoint}${flags ? `, flags: 0x${flags.toString(16)}` : ""}${data ? `, data: ${data}` : ""}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Takes the mount away; those who still hold files of it keep them. */
export function unmountVolume(volume: Volume): void {
  try {
    syscall("umount2", volume.mountpoint, cstr(volume.mountpoint), MNT_DETACH);
  } catch (error) {
    // EINVAL: not mounted.
    if (!isErrno(error, "EINVAL", "ENOENT")) throw error;
  }
}
