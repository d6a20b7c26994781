// A snapshot's mounts for a container with a user namespace: each layer, the writable one too, is seen through an idmapped mount, so
// that the files on disk have the container's ids whatever host ids stand behind them. man 2 mount_setattr
//
// containerd shifts only the layers below and lets the writable one hold host ids. With all of them mapped, a snapshot is the same
// whether its container has a user namespace or not: commit, diff and export read it as it lies, and a layer is unpacked once.
import { O_PATH } from "../../../ffi/constants/fcntl.ts";
import { attachMount, bindMount, changeMount } from "../../../ffi/detached-mount.ts";
import { isErrno } from "../../../ffi/errno.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { open } from "../../../ffi/file.ts";
import { cstr, syscall } from "../../../ffi/libc.ts";
import { mountArguments } from "../../../ffi/mount-flags.ts";
import { userNamespaceWith } from "../../launcher/user-namespace.ts";
import type { IdMapping } from "../../spec/oci/runtime.ts";
import type { IdMaps } from "./id-maps.ts";
import type { Mount } from "./services.ts";

/**
 * The host's root, who mounts the overlay and so makes its work directory, needs an id on disk as well: the highest there is.
 * Whiteouts are his, too; nobody asks for their owner.
 */
const HOST_ROOT: IdMapping = { containerID: 0xfffffffe, hostID: 0, size: 1 };

/** The directory that all paths lie below. */
function common(paths: readonly string[]): string {
  const segments = paths.map((path) => path.split("/"));
  const [first = []] = segments;
  let depth = 0;
  while (segments.every((each) => depth < each.length - 1 && each[depth] === first[depth])) depth++;
  return first.slice(0, depth).join("/") || "/";
}

/** A copy of the directory with its ids mapped. Throws in words when its file system or the kernel cannot. */
function mapped(path: string, { uids, gids }: IdMaps, readonly: boolean): Fd {
  using namespace = userNamespaceWith([...uids, HOST_ROOT], [...gids, HOST_ROOT]);
  const tree = bindMount(path, { recursive: false, readonly });
  try {
    changeMount(tree, { idmap: namespace }, false);
    return tree;
  } catch (error) {
    tree.close();
    if (!isErrno(error, "EINVAL")) throw error;
    throw new Error(
      `the ids of ${path} cannot be mapped: its file system or this kernel has no idmapped mounts (userns-remap needs them)`,
      { cause: error },
    );
  }
}

function attach(tree: Fd, where: string): void {
  using place = open(where, O_PATH);
  attachMount(tree, place);
}

/**
 * Performs a bind or overlay mount with the ids of its layers mapped.
 * @param undo takes away whatever is mounted at a directory
 */
export function mountIdmapped(
  mount: Mount,
  ids: IdMaps,
  where: string,
  undo: (directory: string) => void,
): void {
  const { flags, data } = mountArguments(mount.options);
  if (mount.type !== "overlay") {
    using tree = mapped(mount.source, ids, (flags & 1) !== 0);
    attach(tree, where);
    return;
  }
  const paths = (option: string): string[] =>
    /^(lowerdir|upperdir|workdir)=(.*)$/.exec(option)?.[2]?.split(":") ?? [];
  const given = data.split(",");
  // One mapped copy of the directory that has all layers: upper and work directory must be on the same mount.
  const above = common(given.flatMap(paths));
  const skip = above === "/" ? 1 : above.length + 1;
  const inside = given.map((option) => {
    const layers = paths(option);
    if (layers.length === 0) return option;
    return `${option.slice(0, option.indexOf("="))}=${layers.map((layer) => layer.slice(skip)).join(":")}`;
  });
  using tree = mapped(above, ids, false);
  // overlayfs takes layers from a mount that is attached somewhere (on Linux before 6.15): here, until it has them.
  attach(tree, where);
  const home = process.cwd();
  process.chdir(where);
  try {
    syscall("mount", where, cstr("overlay"), cstr(where), cstr("overlay"), flags, cstr(inside.join(",")));
  } finally {
    process.chdir(home);
  }
  using overlay = bindMount(where, { recursive: false, readonly: false });
  undo(where);
  attach(overlay, where);
}
