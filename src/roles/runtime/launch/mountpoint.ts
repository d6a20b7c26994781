// Opening (and making, when missing) the place in the container's root where something gets mounted.
import { O_CLOEXEC, O_CREAT, O_EXCL } from "../../../../ffi/constants/fcntl.ts";
import { bits, type Slot } from "../../../launcher/plan.ts";
import { belowRoot, type Context, openInRoot } from "./context.ts";
import { DIRECTORY, PATH } from "./open-flags.ts";

/** Makes every missing directory of a path in the container's root (or below another directory). */
export function makeDirectories(
  context: Context,
  path: string,
  why: string,
  below: Slot = context.root,
): void {
  const { plan } = context;
  const clean = belowRoot(path);
  if (clean === "." || (below === context.root && !covered(context, clean) && context.exists(clean))) return;
  const parts = clean.split("/");
  const parent = plan.slot("parent");
  parts.forEach((name, i) => {
    if (i === 0) {
      plan.call("mkdirat", [below, plan.string(name), 0o755], { tolerate: ["EEXIST"], why });
      return;
    }
    openInRoot(context, parts.slice(0, i).join("/"), DIRECTORY, { into: parent, why }, below);
    plan.call("mkdirat", [parent, plan.string(name), 0o755], { tolerate: ["EEXIST"], why });
    plan.call("close", [parent]);
  });
}

/** Whether a mount of this plan may hide what the host sees at a path: one at it, above it, or below its own way. */
function covered(context: Context, path: string): boolean {
  return context.mounts.some((made) => path === made.path || path.startsWith(`${made.path}/`));
}

/**
 * Opens `path` in the container's root (O_PATH) into `target`, as a directory or a file; makes it when it is missing.
 * What is known when the plan is made shortens it: a path that the host sees there needs no making, and below a mount
 * that was empty a moment ago there is nothing that could lead astray.
 */
export function openMountpoint(
  context: Context,
  path: string,
  kind: "directory" | "file",
  target: Slot,
  why: string,
  flags = PATH,
): void {
  const clean = belowRoot(path);
  const inside = context.mounts.findLast((made) => clean.startsWith(`${made.path}/`));
  if (!inside && !covered(context, clean) && context.exists(clean)) {
    openInRoot(context, clean, flags, { into: target, why });
    return;
  }
  if (inside?.empty) {
    const rest = clean.slice(inside.path.length + 1);
    make(context, rest, kind, why, inside.mount);
    openInRoot(context, rest, flags, { into: target, why }, inside.mount);
    return;
  }
  const { plan } = context;
  const missing = plan.label(`make ${path}`);
  const present = plan.label(`at ${path}`);
  openInRoot(context, clean, flags, { into: target, tolerate: ["ENOENT"], fail: missing, ok: present, why });
  plan.place(missing);
  make(context, clean, kind, why, context.root);
  openInRoot(context, clean, flags, { into: target, why });
  plan.place(present);
}

function make(context: Context, clean: string, kind: "directory" | "file", why: string, below: Slot): void {
  if (kind === "directory") {
    makeDirectories(context, clean, why, below);
    return;
  }
  const { plan } = context;
  const slash = clean.lastIndexOf("/");
  let directory = below;
  if (slash >= 0) {
    const parent = clean.slice(0, slash);
    makeDirectories(context, parent, why, below);
    directory = plan.slot("parent");
    openInRoot(context, parent, DIRECTORY, { into: directory, why }, below);
  }
  const name = plan.string(clean.slice(slash + 1));
  plan.call("openat", [directory, name, bits({ O_CREAT, O_EXCL, O_CLOEXEC }), 0o644], {
    tolerate: ["EEXIST"],
    why,
  });
}
