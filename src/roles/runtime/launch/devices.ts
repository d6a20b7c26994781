// The container's /dev: the default devices, those of linux.devices, and the usual links. config-linux.md#default-devices
import { S_IFBLK, S_IFCHR, S_IFIFO } from "../../../../ffi/constants/fcntl.ts";
import { makedev } from "../../../../ffi/file.ts";
import { Constant, type Slot } from "../../../launcher/plan.ts";
import type { Device } from "../../../spec/oci/runtime.ts";
import { attach, belowRoot, type Context, openInRoot } from "./context.ts";
import { makeDirectories, openMountpoint } from "./mountpoint.ts";
import { cloneTree } from "./mounts.ts";
import { DIRECTORY } from "./open-flags.ts";

const device = (path: string, major: number, minor: number): Device => ({
  path,
  type: "c",
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
});

export const DEFAULT_DEVICES: readonly Device[] = [
  device("/dev/null", 1, 3),
  device("/dev/random", 1, 8),
  device("/dev/full", 1, 7),
  device("/dev/tty", 5, 0),
  device("/dev/zero", 1, 5),
  device("/dev/urandom", 1, 9),
];

const TYPE = { c: S_IFCHR, u: S_IFCHR, b: S_IFBLK, p: S_IFIFO } as const;

/** Default devices and the configured ones; a configured one wins over a default of the same path. */
export function containerDevices(configured: readonly Device[]): Device[] {
  const paths = new Set(configured.map((one) => one.path));
  return [...DEFAULT_DEVICES.filter((one) => !paths.has(one.path)), ...configured];
}

/** Type and permissions of a node. */
export const nodeMode = (node: Device) =>
  TYPE[node.type] | (node.fileMode === undefined ? 0o666 : node.fileMode & 0o7777);

/**
 * Makes the nodes. In a user namespace mknod is refused: there nodes made outside (`taken`) are bound, or the host's own
 * when nobody could make any.
 */
export function addDevices(
  context: Context,
  devices: readonly Device[],
  taken: ReadonlyMap<string, Slot> | "host" | undefined,
): void {
  const { plan } = context;
  const dev = plan.slot("/dev");
  openInRoot(context, "dev", DIRECTORY, { into: dev, why: "opening /dev" });
  for (const node of devices) {
    const path = belowRoot(node.path);
    // The pty multiplexer is the container's own, a link into its devpts.
    if (path === "dev/ptmx") continue;
    const made = taken === "host" ? hostNode(context, node) : taken?.get(node.path);
    if (made) bindNode(context, node, made);
    else makeNode(context, node, path, dev);
  }
  plan.call("close", [dev]);
}

/** A copy of the host's node at that path; a FIFO is made instead. */
function hostNode(context: Context, node: Device): Slot | undefined {
  if (node.type === "p") return undefined;
  const slot = context.plan.slot(`host's ${node.path}`);
  cloneTree(context, node.path, false, slot, `binding device ${node.path}`);
  return slot;
}

function makeNode(context: Context, node: Device, path: string, dev: Slot): void {
  const { plan } = context;
  const why = `creating device ${node.path}`;
  const slash = path.lastIndexOf("/");
  const directory = slash < 0 ? "." : path.slice(0, slash);
  const name = plan.string(path.slice(slash + 1));
  let parent = dev;
  if (directory !== "dev") {
    makeDirectories(context, directory, why);
    parent = plan.slot("parent");
    openInRoot(context, directory, DIRECTORY, { into: parent, why });
  }
  const mode = nodeMode(node);
  const number = node.type === "p" ? 0 : makedev(node.major ?? 0, node.minor ?? 0);
  const exists = plan.label(`device ${node.path}`);
  plan.call("mknodat", [parent, name, new Constant(mode, `0${mode.toString(8)}`), number], {
    tolerate: ["EEXIST"],
    fail: exists,
    why,
  });
  if (node.uid || node.gid)
    plan.call("fchownat", [parent, name, node.uid ?? 0, node.gid ?? 0, NOFOLLOW], { why });
  plan.place(exists);
  if (parent !== dev) plan.call("close", [parent]);
}

const NOFOLLOW = new Constant(0x100, "AT_SYMLINK_NOFOLLOW");

function bindNode(context: Context, node: Device, made: Slot): void {
  const { plan } = context;
  const why = `binding device ${node.path}`;
  const target = plan.slot("target");
  openMountpoint(context, node.path, "file", target, why);
  attach(context, made, target, why);
  plan.call("close", [made]);
}

/** /dev/fd, /dev/stdin and so on, and /dev/ptmx. config-linux.md, runtime-linux.md#dev-symbolic-links */
export function addDeviceLinks(context: Context, hostHasKcore: boolean): void {
  const { plan } = context;
  const dev = plan.slot("/dev");
  openInRoot(context, "dev", DIRECTORY, { into: dev, why: "opening /dev" });
  const link = (target: string, name: string, tolerate: string[]) =>
    plan.call("symlinkat", [plan.string(target), dev, plan.string(name)], {
      tolerate,
      why: `creating /dev/${name}`,
    });
  if (hostHasKcore) link("/proc/kcore", "core", ["EEXIST"]);
  link("/proc/self/fd", "fd", ["EEXIST"]);
  link("/proc/self/fd/0", "stdin", ["EEXIST"]);
  link("/proc/self/fd/1", "stdout", ["EEXIST"]);
  link("/proc/self/fd/2", "stderr", ["EEXIST"]);
  plan.call("unlinkat", [dev, plan.string("ptmx"), 0], { tolerate: ["ENOENT"], why: "replacing /dev/ptmx" });
  link("pts/ptmx", "ptmx", []);
  plan.call("close", [dev]);
}
