import { MOUNT_ATTR_RDONLY, MS_MOVE, MS_PRIVATE, MS_REC, MS_SLAVE } from "../../../../ffi/constants/mount.ts";
import { MNT_DETACH } from "../../../../ffi/constants/umount.ts";
import { bits, Constant, type Slot } from "../../../launcher/plan.ts";
import { AT_FDCWD, ATTACH, type Context } from "./context.ts";
import { propagationOf } from "./mount-options.ts";
import { setAttributes } from "./mounts.ts";
import { COPY_OPEN_ALL, OPEN_DIRECTORY } from "./open-flags.ts";

/** Root mount propagation first, so that nothing mounted from here on is seen outside; then the root as a mount of its own. */
export function prepareRoot(
  context: Context,
  path: string,
  propagation: string | undefined,
  parentMount: string | undefined,
  taken: Slot | undefined,
): void {
  const { plan } = context;
  // Nothing could be bound any more from mounts that are unbindable: the root becomes that at the end (finishRoot).
  const wanted = propagationOf((propagation || "rslave").replace("unbindable", "private"));
  const flags = wanted
    ? new Constant(
        wanted.type | (wanted.recursive ? MS_REC : 0),
        `${wanted.name}${wanted.recursive ? "|MS_REC" : ""}`,
      )
    : bits({ MS_SLAVE, MS_REC });
  plan.call("mount", [0, plan.string("/"), 0, flags, 0], { why: "setting the propagation of /" });
  // pivot_root refuses a root below a shared mount, and mounts in the container must not spread through it.
  if (parentMount)
    plan.call("mount", [0, plan.string(parentMount), 0, bits({ MS_PRIVATE }), 0], {
      why: `making ${parentMount} private`,
    });
  const why = `bind-mounting the rootfs ${path}`;
  const base = plan.slot("base");
  if (taken) {
    context.root = taken;
    openOrRoot(context, path, base, why);
  } else {
    plan.call("openat", [AT_FDCWD, plan.string(path), OPEN_DIRECTORY], {
      into: base,
      why,
    });
    plan.call("open_tree", [base, plan.string(""), COPY_OPEN_ALL], {
      into: context.root,
      why,
    });
  }
  plan.call("move_mount", [context.root, plan.string(""), base, plan.string(""), ATTACH], { why });
  plan.call("close", [base]);
}

/** The rootfs's own place; on "/" when the user namespace may not go there. */
function openOrRoot({ plan }: Context, path: string, base: Slot, why: string): void {
  const barred = plan.label("no way to the rootfs");
  const open = plan.label("the rootfs's place");
  plan.call("openat", [AT_FDCWD, plan.string(path), OPEN_DIRECTORY], {
    into: base,
    tolerate: ["EACCES"],
    fail: barred,
    ok: open,
    why,
  });
  plan.place(barred);
  plan.call("openat", [AT_FDCWD, plan.string("/"), OPEN_DIRECTORY], { into: base, why });
  plan.place(open);
}

/** linux.rootfsPropagation for the container's own root, once all is mounted. config-linux.md#rootfs-mount-propagation */
export function finishRoot(context: Context, propagation: string | undefined): void {
  const wanted = propagationOf(propagation ?? "");
  // A slave or private root is one already.
  if (!wanted || !/shared|unbindable/.test(propagation ?? "")) return;
  setAttributes(
    context,
    context.root,
    { propagation: wanted.type, text: wanted.name },
    wanted.recursive,
    `setting the propagation of the rootfs to ${propagation}`,
  );
}

/** Makes the root the root: pivot_root onto itself, then the old one goes in a single detach. man 2 pivot_root */
export function pivotRoot({ plan, root }: Context): void {
  const old = plan.slot("old root");
  const here = plan.string(".");
  plan.call("openat", [AT_FDCWD, plan.string("/"), OPEN_DIRECTORY], { into: old });
  plan.call("fchdir", [root], { why: "entering the rootfs" });
  plan.call("pivot_root", [here, here], { why: "pivot_root" });
  plan.call("fchdir", [old], { why: "entering the old root" });
  // The unmount must not propagate to where these mounts came from.
  plan.call("mount", [0, here, 0, bits({ MS_SLAVE, MS_REC }), 0], { why: "making the old root a slave" });
  plan.call("umount2", [here, bits({ MNT_DETACH })], { why: "unmounting the old root" });
  plan.call("close", [old]);
  plan.call("chdir", [plan.string("/")]);
}

/** For roots that cannot pivot (initramfs): moves the mount over "/" and changes root (`--no-pivot`). */
export function moveRoot({ plan, root }: Context): void {
  const here = plan.string(".");
  plan.call("fchdir", [root], { why: "entering the rootfs" });
  plan.call("mount", [here, plan.string("/"), 0, bits({ MS_MOVE }), 0], { why: "moving the rootfs over /" });
  plan.call("chroot", [here], { why: "chroot" });
  plan.call("chdir", [plan.string("/")]);
}

/** Without a mount namespace of its own the container only changes root. */
export function changeRoot({ plan, root }: Context, path: string): void {
  plan.call("openat", [AT_FDCWD, plan.string(path), OPEN_DIRECTORY], {
    into: root,
    why: `opening the rootfs ${path}`,
  });
  plan.call("fchdir", [root], { why: "entering the rootfs" });
  plan.call("chroot", [plan.string(".")], { why: "chroot" });
}

export function makeRootReadonly(context: Context): void {
  setAttributes(
    context,
    context.root,
    { set: MOUNT_ATTR_RDONLY, text: "MOUNT_ATTR_RDONLY" },
    false,
    "making the rootfs read-only",
  );
}
