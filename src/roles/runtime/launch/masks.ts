// maskedPaths and readonlyPaths. runtime-spec config-linux.md#masked-paths
import { AT_EMPTY_PATH, AT_RECURSIVE, O_DIRECTORY, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "../../../../ffi/constants/mount.ts";
import { bits, type Slot } from "../../../launcher/plan.ts";
import { attach, type Context, openInRoot } from "./context.ts";
import { CLONE_TREE, cloneTree, newFilesystem, setAttributes } from "./mounts.ts";

/** Takes the host's /dev/null along, before the root changes: a container's own might be anything. */
export function takeNullDevice(context: Context): Slot {
  const device = context.plan.slot("null device");
  cloneTree(context, "/dev/null", false, device, "taking /dev/null to mask paths with");
  return device;
}

/** Hides a path: a file behind the null device, a directory behind an empty read-only tmpfs. Absent paths stay absent. */
export function maskPath(context: Context, path: string, nullDevice: Slot): void {
  const { plan } = context;
  const why = `masking ${path}`;
  const target = plan.slot("masked");
  const mask = plan.slot("mask");
  const file = plan.label(`${path} is a file`);
  const done = plan.label(`masked ${path}`);
  const absent = ["ENOENT", "EACCES"];
  openInRoot(context, path, bits({ O_PATH, O_DIRECTORY }), {
    into: target,
    tolerate: [...absent, "ENOTDIR"],
    fail: file,
    why,
  });
  newFilesystem(
    context,
    { type: "tmpfs", source: "tmpfs", data: ["nr_blocks=1", "nr_inodes=1"], attributes: MOUNT_ATTR_RDONLY },
    mask,
    why,
  );
  attach(context, mask, target, why);
  plan.call("close", [mask], { ok: done });
  plan.place(file);
  openInRoot(context, path, bits({ O_PATH }), { into: target, tolerate: absent, fail: done, why });
  plan.call("open_tree", [nullDevice, plan.string(""), bits({ ...CLONE_TREE, AT_EMPTY_PATH })], {
    into: mask,
    why,
  });
  attach(context, mask, target, why);
  plan.call("close", [mask]);
  plan.place(done);
}

/** Makes a path read-only by binding it onto itself; absent paths stay absent. */
export function readonlyPath(context: Context, path: string): void {
  const { plan } = context;
  const why = `making ${path} read-only`;
  const target = plan.slot("target");
  const mount = plan.slot("read-only");
  const done = plan.label(`read-only ${path}`);
  openInRoot(context, path, bits({ O_PATH }), {
    into: target,
    tolerate: ["ENOENT", "EACCES"],
    fail: done,
    why,
  });
  plan.call("open_tree", [target, plan.string(""), bits({ ...CLONE_TREE, AT_EMPTY_PATH, AT_RECURSIVE })], {
    into: mount,
    why,
  });
  setAttributes(context, mount, { set: MOUNT_ATTR_RDONLY, text: "MOUNT_ATTR_RDONLY" }, false, why);
  attach(context, mount, target, why);
  plan.call("close", [mount]);
  plan.place(done);
}
