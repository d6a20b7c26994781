// Opening (and making, when missing) the place in the container's root where something gets mounted.
import { O_CREAT, O_DIRECTORY, O_EXCL, O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { bits, type Slot } from "../../../launcher/plan.ts";
import { belowRoot, CLOEXEC, type Context, openInRoot } from "./context.ts";

/** Makes every missing directory of a path in the container's root. */
export function makeDirectories(context: Context, path: string, why: string): void {
  const { plan } = context;
  const parts = belowRoot(path).split("/");
  if (parts[0] === ".") return;
  const parent = plan.slot("parent");
  parts.forEach((name, i) => {
    if (i === 0) {
      plan.call("mkdirat", [context.root, plan.string(name), 0o755], { tolerate: ["EEXIST"], why });
      return;
    }
    openInRoot(context, parts.slice(0, i).join("/"), bits({ O_PATH, O_DIRECTORY }), { into: parent, why });
    plan.call("mkdirat", [parent, plan.string(name), 0o755], { tolerate: ["EEXIST"], why });
    plan.call("close", [parent]);
  });
}

/** Opens `path` in the container's root (O_PATH) into `target`, as a directory or a file; makes it when it is missing. */
export function openMountpoint(
  context: Context,
  path: string,
  kind: "directory" | "file",
  target: Slot,
  why: string,
): void {
  const { plan } = context;
  const missing = plan.label(`make ${path}`);
  const present = plan.label(`at ${path}`);
  openInRoot(context, path, bits({ O_PATH }), {
    into: target,
    tolerate: ["ENOENT"],
    fail: missing,
    ok: present,
    why,
  });
  plan.place(missing);
  if (kind === "directory") makeDirectories(context, path, why);
  else {
    const clean = belowRoot(path);
    const slash = clean.lastIndexOf("/");
    const parent = slash < 0 ? "." : clean.slice(0, slash);
    makeDirectories(context, parent, why);
    const directory = plan.slot("parent");
    openInRoot(context, parent, bits({ O_PATH, O_DIRECTORY }), { into: directory, why });
    const file = plan.slot("file");
    plan.call(
      "openat",
      [directory, plan.string(clean.slice(slash + 1)), bits({ O_CREAT, O_EXCL, ...cloexec }), 0o644],
      { into: file, tolerate: ["EEXIST"], why },
    );
    plan.call("close", [file], { tolerate: "any" });
    plan.call("close", [directory]);
  }
  openInRoot(context, path, bits({ O_PATH }), { into: target, why });
  plan.place(present);
}

const cloexec = { O_CLOEXEC: CLOEXEC.value };
