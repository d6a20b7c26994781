import { MOUNT_ATTR_RDONLY } from "../../../../ffi/constants/mount.ts";
import type { Slot } from "../../../launcher/plan.ts";
import { attach, belowRoot, type Context, openInRoot } from "./context.ts";
import { cloneTree, newFilesystem, setAttributes } from "./mounts.ts";
import { COPY_OPEN, COPY_OPEN_ALL, DIRECTORY, PATH } from "./open-flags.ts";

/** What paths get hidden behind. */
export interface Masks {
  file: Slot;
  directory: Slot;
}

/**
 * The null device, taken from the host before the root changes (a container's own might be anything), and an empty
 * read-only tmpfs, one for all masked directories.
 */
export function takeMasks(context: Context): Masks {
  const { plan } = context;
  const masks = { file: plan.slot("null device"), directory: plan.slot("empty directory") };
  const why = "preparing to mask paths";
  cloneTree(context, "/dev/null", false, masks.file, why);
  const data = ["nr_blocks=1", "nr_inodes=1"];
  newFilesystem(
    context,
    { type: "tmpfs", source: "tmpfs", data, attributes: MOUNT_ATTR_RDONLY },
    masks.directory,
    why,
  );
  return masks;
}

/** Hides a path; an absent one stays absent. */
export function maskPath(context: Context, path: string, masks: Masks): void {
  const { plan } = context;
  const why = `masking ${path}`;
  const target = plan.slot("masked");
  const mask = plan.slot("mask");
  const file = plan.label(`${path} is no directory`);
  const ready = plan.label(`mask ${path}`);
  const done = plan.label(`masked ${path}`);
  const copy = COPY_OPEN;
  const absent = ["ENOENT", "EACCES"];
  openInRoot(context, belowRoot(path), DIRECTORY, {
    into: target,
    tolerate: [...absent, "ENOTDIR"],
    fail: file,
    why,
  });
  plan.call("open_tree", [masks.directory, plan.string(""), copy], { into: mask, ok: ready, why });
  plan.place(file);
  openInRoot(context, belowRoot(path), PATH, { into: target, tolerate: absent, fail: done, why });
  plan.call("open_tree", [masks.file, plan.string(""), copy], { into: mask, why });
  plan.place(ready);
  attach(context, mask, target, why);
  plan.place(done);
}

/** Makes a path read-only by binding it onto itself; an absent one stays absent. */
export function readonlyPath(context: Context, path: string): void {
  const { plan } = context;
  const why = `making ${path} read-only`;
  const target = plan.slot("target");
  const mount = plan.slot("read-only");
  const done = plan.label(`read-only ${path}`);
  openInRoot(context, belowRoot(path), PATH, {
    into: target,
    tolerate: ["ENOENT", "EACCES"],
    fail: done,
    why,
  });
  plan.call("open_tree", [target, plan.string(""), COPY_OPEN_ALL], {
    into: mount,
    why,
  });
  setAttributes(context, mount, { set: MOUNT_ATTR_RDONLY, text: "MOUNT_ATTR_RDONLY" }, false, why);
  attach(context, mount, target, why);
  plan.place(done);
}
