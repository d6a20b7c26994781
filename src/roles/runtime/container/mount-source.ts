import { isErrno } from "../../../../ffi/errno.ts";
import { kindOf, linkText } from "../../../../ffi/path.ts";
import type { MountOptions } from "../launch/mount-options.ts";
import type { Source } from "../launch/mounts.ts";

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
