// Mounts that need more than a plan can do: idmapped ones (config-linux.md#id-mapped-mounts) and tmpfs with tmpcopyup. The
// runtime makes them, detached and with the host's privileges; the launcher only puts them in their place.
import { O_DIRECTORY, O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { bindMount, changeMount, newMount } from "../../../../ffi/detached-mount.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Fd } from "../../../../ffi/fd.ts";
import { fchmodat, fchownat, openInRoot } from "../../../../ffi/file.ts";
import { statAt } from "../../../../ffi/tree.ts";
import { userNamespaceWith } from "../../../launcher/user-namespace.ts";
import type { Config, Linux, Mount } from "../../../spec/oci/runtime.ts";
import { RuntimeError } from "../errors.ts";
import { belowRoot } from "../launch/context.ts";
import { type MountOptions, parseMountOptions, propagationOf } from "../launch/mount-options.ts";
import { isBind, mountWhy } from "../launch/mounts.ts";
import { copyUp } from "./copy-up.ts";
import { needsPreparing } from "./rare.ts";

/** Makes them. What was made is closed again when one fails. */
export function prepareMounts(config: Config, root: Fd): Map<Mount, Fd> {
  const prepared = new Map<Mount, Fd>();
  const namespaces = new Map<string, Fd>();
  try {
    for (const mount of (config.mounts ?? []).filter(needsPreparing)) {
      const options = parseMountOptions(mount.options ?? []);
      const made = madeMount(mount, options, config.linux?.rootfsPropagation);
      prepared.set(mount, made);
      if (options.copyUp) fill(made, mount, options, root);
      if (isMapped(mount, options)) idmap(made, mount, options, config.linux ?? {}, namespaces);
    }
    return prepared;
  } catch (error) {
    for (const fd of prepared.values()) fd.close();
    throw error;
  } finally {
    for (const fd of namespaces.values()) fd.close();
  }
}

const isMapped = (mount: Mount, options: MountOptions) =>
  options.idmap !== "" || !!mount.uidMappings?.length || !!mount.gidMappings?.length;

function madeMount(mount: Mount, options: MountOptions, rootfsPropagation: string | undefined): Fd {
  if (isBind(mount, options)) {
    const recursive = options.recursiveBind || mount.type === "rbind";
    const made = bindMount(mount.source ?? "", { recursive, readonly: false });
    // A copy is a peer of what it is a copy of; in the container it is what the root's propagation makes of it.
    const { type, recursive: below } = propagationOf(
      (rootfsPropagation || "rslave").replace("unbindable", "private"),
    )!;
    changeMount(made, { propagation: type }, below);
    return made;
  }
  const type = mount.type ?? "none";
  if (options.copyUp && type !== "tmpfs")
    throw new RuntimeError(`${mountWhy(mount)}: tmpcopyup is for tmpfs only, not for ${type}`);
  return newMount(
    type,
    mount.destination,
    (set) => {
      set("source", mount.source || type);
      for (const word of options.superblock) set(word);
      for (const word of options.data) {
        const equals = word.indexOf("=");
        if (equals < 0) set(word);
        else set(word.slice(0, equals), word.slice(equals + 1));
      }
    },
    0,
  );
}

/** Copies what lies at the mount's place in the image, the directory's own owner and mode included. */
function fill(made: Fd, mount: Mount, options: MountOptions, root: Fd): void {
  let source: Fd;
  try {
    source = openInRoot(root, belowRoot(mount.destination), O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return;
    throw error;
  }
  try {
    using directory = openInRoot(made, ".", O_RDONLY | O_DIRECTORY);
    copyUp(source, directory);
    const stat = statAt(source, "");
    const given = (key: string) => options.data.some((word) => word.startsWith(`${key}=`));
    if (!stat) return;
    if (!given("uid") && !given("gid")) fchownat(made, ".", stat.uid, stat.gid, 0);
    if (!given("mode")) fchmodat(made, ".", stat.mode & 0o7777);
  } finally {
    source.close();
  }
}

function idmap(
  made: Fd,
  mount: Mount,
  options: MountOptions,
  linux: Linux,
  namespaces: Map<string, Fd>,
): void {
  const own = mount.uidMappings?.length || mount.gidMappings?.length;
  const { uidMappings = [], gidMappings = [] } = own ? mount : linux;
  if (uidMappings.length === 0 || gidMappings.length === 0)
    throw new RuntimeError(
      `${mountWhy(mount)}: an idmapped mount needs uidMappings and gidMappings, its own or the container's`,
    );
  const key = JSON.stringify([uidMappings, gidMappings]);
  let namespace = namespaces.get(key);
  if (!namespace) {
    namespace = userNamespaceWith(uidMappings, gidMappings);
    namespaces.set(key, namespace);
  }
  try {
    changeMount(made, { idmap: namespace }, options.idmap === "ridmap");
  } catch (error) {
    if (!isErrno(error, "EINVAL")) throw error;
    throw new RuntimeError(
      `${mountWhy(mount)}: idmapped mounts are not supported by its file system: ${(error as Error).message}`,
    );
  }
}
