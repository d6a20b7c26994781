// From a snapshot's mounts to the directory that a layer is written into, without mounting anything: an overlay's upper
// directory in overlayfs's own format, or the source of a bind mount (a base layer: nothing lies below it).
import { isBind, mountOption, splitLower } from "../../../store/changes/trees.ts";
import { type Mount, ServiceError } from "../../../wire/containerd/services.ts";

export interface Target {
  directory: string;
  /** Name of the attribute that marks opaque directories; undefined where nothing lies below. */
  opaque: string | undefined;
  /** The directories below, topmost first. */
  lower: readonly string[];
}

/** Throws ServiceError: Unimplemented for mounts that cannot be written like this, InvalidArgument for read-only ones. */
export function targetOf(mounts: readonly Mount[]): Target {
  const [mount] = mounts;
  if (mounts.length !== 1 || !mount) {
    throw new ServiceError(
      "Unimplemented",
      `apply layer: ${mounts.length} mounts given, only one is supported`,
    );
  }
  const { type, source, options } = mount;
  if (type === "overlay") {
    const directory = mountOption(options, "upperdir");
    if (directory === undefined) {
      throw new ServiceError("InvalidArgument", "apply layer: the overlay is read-only: it has no upperdir");
    }
    const opaque = options.includes("userxattr") ? "user.overlay.opaque" : "trusted.overlay.opaque";
    return { directory, opaque, lower: splitLower(mountOption(options, "lowerdir") ?? "") };
  }
  if (isBind(mount)) {
    if (options.includes("ro")) {
      throw new ServiceError("InvalidArgument", `apply layer: ${source} is mounted read-only`);
    }
    return { directory: source, opaque: undefined, lower: [] };
  }
  throw new ServiceError(
    "Unimplemented",
    `apply layer: mounts of type ${JSON.stringify(type)} are not supported`,
  );
}
