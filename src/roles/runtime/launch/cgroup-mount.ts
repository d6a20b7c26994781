// A mount of type "cgroup" in config.json: on v2 the unified tree, on v1 a tmpfs with each controller's own directory.

import { MOUNT_ATTR_RDONLY } from "../../../../ffi/constants/mount.ts";
import { nameOf } from "../../../../ffi/path.ts";
import type { Mount } from "../../../spec/oci/runtime.ts";
import type { Cgroups } from "../cgroup/hierarchy.ts";
import type { CgroupPaths } from "../cgroup/paths.ts";
import { attach, belowRoot, type Context } from "./context.ts";
import { parseMountOptions } from "./mount-options.ts";
import { openMountpoint } from "./mountpoint.ts";
import { cloneTree, mountWhy, newFilesystem, setAttributes } from "./mounts.ts";

export function addCgroupMount(
  context: Context,
  mount: Mount,
  cgroups: Cgroups,
  paths: CgroupPaths,
  ownNamespace: boolean,
): void {
  const { plan } = context;
  const why = mountWhy(mount);
  const { attributes, data } = parseMountOptions(mount.options ?? []);
  const target = plan.slot("target");
  const made = plan.slot(`mount ${mount.destination}`);
  if (cgroups.mode === "none") throw new Error(`${why}: no cgroup file system is mounted on this host`);
  openMountpoint(context, mount.destination, "directory", target, why);
  if (cgroups.mode === "v2") {
    // In its own cgroup namespace the container sees its subtree only. Without one it would see the whole host's.
    if (ownNamespace)
      newFilesystem(
        context,
        { type: "cgroup2", source: "cgroup", data, attributes: attributes.set },
        made,
        why,
      );
    else {
      cloneTree(context, paths[""] ?? cgroups.unified!.mountpoint, false, made, why);
      setAttributes(context, made, { set: attributes.set }, false, why);
    }
    attach(context, made, target, why);
    return;
  }
  newFilesystem(
    context,
    { type: "tmpfs", source: "tmpfs", data: ["mode=755"], attributes: attributes.set & ~MOUNT_ATTR_RDONLY },
    made,
    why,
  );
  attach(context, made, target, why);
  context.mounts.push({ path: belowRoot(mount.destination), mount: made, empty: true });
  for (const hierarchy of cgroups.v1) {
    const name = nameOf(hierarchy.mountpoint);
    const at = `${mount.destination}/${name}`;
    const one = plan.slot(`cgroup ${name}`);
    openMountpoint(context, at, "directory", target, why);
    if (ownNamespace)
      newFilesystem(
        context,
        { type: "cgroup", source: "cgroup", data: hierarchy.controllers, attributes: attributes.set },
        one,
        why,
      );
    else {
      cloneTree(context, paths[hierarchy.controllers[0]!] ?? hierarchy.mountpoint, false, one, why);
      setAttributes(context, one, { set: attributes.set }, false, why);
    }
    attach(context, one, target, why);
    // "cpu,cpuacct" is one directory; both names lead to it.
    if (hierarchy.controllers.length > 1) {
      for (const controller of hierarchy.controllers)
        if (controller !== name)
          plan.call("symlinkat", [plan.string(name), made, plan.string(controller)], {
            tolerate: ["EEXIST"],
            why,
          });
    }
  }
  if (attributes.set & MOUNT_ATTR_RDONLY)
    setAttributes(context, made, { set: MOUNT_ATTR_RDONLY, text: "MOUNT_ATTR_RDONLY" }, false, why);
}
