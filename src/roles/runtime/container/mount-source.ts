import { isErrno } from "../../../../ffi/errno.ts";
import { kindOf, linkText } from "../../../../ffi/path.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import { RuntimeError } from "../errors.ts";
import { type MountOptions, parseMountOptions } from "../launch/mount-options.ts";
import { isBind, type Source } from "../launch/mounts.ts";

/** What lies at a bind mount's source: links are followed, but where the options are about the link. Throws SyscallError. */
export function mountSource(path: string, options: MountOptions): Source {
  if (options.sourceLink || options.copyLink) {
    try {
      return { kind: "file", link: linkText(path) };
    } catch (error) {
      // No link.
      if (!isErrno(error, "EINVAL")) throw error;
    }
  }
  return { kind: kindOf(path), link: undefined };
}

/** Bind sources are relative to the bundle, and must be there. */
export function absoluteSources(config: Config, bundle: string): void {
  for (const mount of config.mounts ?? []) {
    if (!isBind(mount)) continue;
    const source = mount.source ?? "";
    mount.source = source.startsWith("/") ? source : `${bundle}/${source}`;
    try {
      mountSource(mount.source, parseMountOptions(mount.options ?? []));
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error;
      throw new RuntimeError(
        `error mounting ${JSON.stringify(mount.source)} to rootfs at ${JSON.stringify(mount.destination)}: stat ${mount.source}: no such file or directory`,
      );
    }
  }
}
