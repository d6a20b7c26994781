import { MOUNT_ATTR_RDONLY } from "../../../../ffi/constants/mount.ts";
import type { Label, Slot } from "../../../launcher/plan.ts";
import { attach, belowRoot, type Context, openInRoot } from "./context.ts";
import { cloneTree, newFilesystem, setAttributes } from "./mounts.ts";
import { COPY_OPEN, COPY_OPEN_ALL, DIRECTORY, PATH } from "./open-flags.ts";

/** What paths get hidden behind: a detached mount at first, which becomes the first path's; the others get copies of that. */
interface Mask {
  mount: Slot;
  /** Not 0 once it is in its place. Before Linux 6.15 nothing can be copied from a mount that is detached. */
  placed: Slot;
}

export interface Masks {
  file: Mask;
  directory: Mask;
}

/**
 * The null device, taken from the host before the root changes (a container's own might be anything), and an empty
 * read-only tmpfs, one for all masked directories.
 */
export function takeMasks(context: Context): Masks {
  const { plan } = context;
  const mask = (name: string) => ({ mount: plan.slot(name), placed: plan.slot(`${name} placed`) });
  const masks = { file: mask("null device"), directory: mask("empty directory") };
  const why = "preparing to mask paths";
  cloneTree(context, "/dev/null", false, masks.file.mount, why);
  const data = ["nr_blocks=1", "nr_inodes=1"];
  newFilesystem(
    context,
    { type: "tmpfs", source: "tmpfs", data, attributes: MOUNT_ATTR_RDONLY },
    masks.directory.mount,
    why,
  );
  return masks;
}

/** Hides a path; an absent one stays absent. */
export function maskPath(context: Context, path: string, masks: Masks): void {
  const { plan } = context;
  const why = `masking ${path}`;
  const target = plan.slot("masked");
  const file = plan.label(`${path} is no directory`);
  const done = plan.label(`masked ${path}`);
  const absent = ["ENOENT", "EACCES"];
  openInRoot(context, belowRoot(path), DIRECTORY, {
    into: target,
    tolerate: [...absent, "ENOTDIR"],
    fail: file,
    why,
  });
  cover(context, masks.directory, target, done, why);
  plan.place(file);
  openInRoot(context, belowRoot(path), PATH, { into: target, tolerate: absent, fail: done, why });
  cover(context, masks.file, target, done, why);
  plan.place(done);
}

/** Puts the mask itself, or a copy of it, over the target, and goes on at `done`. */
function cover(context: Context, mask: Mask, target: Slot, done: Label, why: string): void {
  const { plan } = context;
  const first = plan.label("first mask");
  const again = plan.label("another mask");
  plan.compute(mask.placed, -1, 0, 0, { ok: again, zero: first });
  plan.place(first);
  attach(context, mask.mount, target, why);
  plan.set(mask.placed, 1, { ok: done });
  plan.place(again);
  const copy = plan.slot("mask");
  plan.call("open_tree", [mask.mount, plan.string(""), COPY_OPEN], { into: copy, why });
  attach(context, copy, target, why);
  plan.jump(done);
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
