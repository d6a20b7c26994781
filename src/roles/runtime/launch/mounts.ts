// config.json's mounts as plan records. Each target is resolved once, inside the root, and mounted on by descriptor;
// each new mount is made detached, gets its attributes, and appears complete (man 2 fsopen, open_tree, mount_setattr).
import { AT_EMPTY_PATH, AT_RECURSIVE } from "../../../../ffi/constants/fcntl.ts";
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
} from "../../../../ffi/constants/mount.ts";
import { MountAttr } from "../../../../ffi/mount-attr.ts";
import { pack } from "../../../../ffi/struct.ts";
import { Address, bits, Constant, type Slot } from "../../../launcher/plan.ts";
import type { Mount } from "../../../spec/oci/runtime.ts";
import { AT_FDCWD, attach, belowRoot, type Context, EMPTY_PATH, openInRoot } from "./context.ts";
import { type Attributes, type MountOptions, parseMountOptions } from "./mount-options.ts";
import { makeDirectories, openMountpoint } from "./mountpoint.ts";
import { COPY, COPY_ALL, COPY_LINK, DIRECTORY, LINK, PATH, REAL_DIRECTORY } from "./open-flags.ts";

const SET_STRING = bits({ FSCONFIG_SET_STRING });
const SET_FLAG = bits({ FSCONFIG_SET_FLAG });
const CREATE = bits({ FSCONFIG_CMD_CREATE });
const OPEN = bits({ FSOPEN_CLOEXEC });
const MOUNT = bits({ FSMOUNT_CLOEXEC });
const EMPTY_PATH_RECURSIVE = bits({ AT_EMPTY_PATH, AT_RECURSIVE });

/** mount_setattr on an open mount. */
export function setAttributes(
  { plan }: Context,
  mount: Slot,
  change: Partial<Attributes> & { propagation?: number; text?: string },
  recursive: boolean,
  why: string,
): void {
  const { set = 0, clear = 0, propagation = 0 } = change;
  const attr = plan.bytes("", pack(MountAttr, { attr_set: set, attr_clr: clear, propagation }));
  const text = change.text ?? `set 0x${set.toString(16)}${clear ? ` clear 0x${clear.toString(16)}` : ""}`;
  plan.call(
    "mount_setattr",
    [
      mount,
      plan.string(""),
      recursive ? EMPTY_PATH_RECURSIVE : EMPTY_PATH,
      new Address(attr.offset, `{${text}}`),
      MountAttr.size,
    ],
    { why },
  );
}

/** A new file system instance as a detached mount in `into`. */
export function newFilesystem(
  { plan }: Context,
  fs: {
    type: string;
    source: string;
    data: readonly string[];
    flags?: readonly string[];
    attributes: number;
  },
  into: Slot,
  why: string,
): void {
  const handle = plan.slot("fs");
  plan.call("fsopen", [plan.string(fs.type), OPEN], { into: handle, why });
  const set = (key: string, value: string) =>
    plan.call("fsconfig", [handle, SET_STRING, plan.string(key), plan.string(value), 0], {
      why: `${why}: option ${key}=${value}`,
    });
  const flag = (key: string, tolerate?: string[]) =>
    plan.call("fsconfig", [handle, SET_FLAG, plan.string(key), 0, 0], {
      ...(tolerate ? { tolerate } : {}),
      why: `${why}: option ${key}`,
    });
  set("source", fs.source);
  // mount(2) has a flag for it that most file systems do not know by name.
  for (const word of fs.flags ?? []) flag(word, word === "iversion" ? ["EINVAL"] : undefined);
  for (const word of fs.data) {
    const equals = word.indexOf("=");
    if (equals < 0) flag(word);
    else set(word.slice(0, equals), word.slice(equals + 1));
  }
  plan.call("fsconfig", [handle, CREATE, 0, 0, 0], { why });
  const attributes = new Constant(fs.attributes, `0x${fs.attributes.toString(16)}`);
  plan.call("fsmount", [handle, MOUNT, attributes], { into, why });
  plan.call("close", [handle]);
}

/** A copy of the mount at a path of the runtime's own tree, detached. */
export function cloneTree(
  { plan }: Context,
  source: string,
  recursive: boolean,
  into: Slot,
  why: string,
): void {
  const flags = recursive ? COPY_ALL : COPY;
  plan.call("open_tree", [AT_FDCWD, plan.string(source), flags], { into, why });
}

/** What the host knows about a bind mount's source when the plan is made. */
export interface Source {
  kind: "directory" | "file";
  /** What a symbolic link says; undefined for what is none. */
  link: string | undefined;
}

export type SourceKind = (source: string, options: MountOptions) => Source;

/** The file systems whose superblock is not the container's own to make read-only: only the mount is. */
const KERNEL_FILESYSTEMS = new Set(["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"]);

/** The kernel's views of itself have labels of their own. */
const UNLABELLED = new Set(["proc", "sysfs", "mqueue", "cgroup", "cgroup2"]);

export function mountWhy(mount: Mount): string {
  const source = mount.source ?? mount.type ?? "";
  return `error mounting ${JSON.stringify(source)} to rootfs at ${JSON.stringify(mount.destination)}: mount ${source}:${mount.destination}`;
}

/** Whether the mount is a bind mount: by its type or its options. */
export function isBind(mount: Mount, options = parseMountOptions(mount.options ?? [])): boolean {
  return mount.type === "bind" || mount.type === "rbind" || options.bind;
}

/** Adds one mount that is not of type cgroup. `readonlyLater` collects tmpfs on /dev, which must be filled first. */
export function addMount(context: Context, mount: Mount, kind: SourceKind, readonlyLater: Slot[]): void {
  const { plan } = context;
  const options = parseMountOptions(mount.options ?? []);
  const why = mountWhy(mount);
  if (options.remount) {
    changeMount(context, mount, options, why);
    return;
  }
  const link =
    options.copyLink && isBind(mount, options) ? kind(mount.source ?? "", options).link : undefined;
  if (link !== undefined) {
    addLink(context, mount, link, why);
    return;
  }
  const ready = context.ready.get(mount);
  const made = ready ?? plan.slot(`mount ${mount.destination}`);
  const target = plan.slot("target");
  if (isBind(mount, options)) addBind(context, mount, options, kind, made, target, why);
  else if (ready) {
    openMountpoint(context, mount.destination, "directory", target, why);
    const { set, clear } = options.attributes;
    // What stands in for the kernel's own file system may be the host's, with more mounted below it.
    if (set || clear) setAttributes(context, made, { set, clear }, true, why);
    attach(context, made, target, why);
  } else {
    const type = mount.type ?? "none";
    let attributes = options.attributes.set;
    const later = belowRoot(mount.destination) === "dev" && (attributes & MOUNT_ATTR_RDONLY) !== 0;
    if (later) {
      attributes &= ~MOUNT_ATTR_RDONLY;
      readonlyLater.push(made);
    }
    const flags = [...options.superblock];
    if (attributes & MOUNT_ATTR_RDONLY && !KERNEL_FILESYSTEMS.has(type)) flags.push("ro");
    // A link there could leave /proc itself to the image, with all that is masked in it (CVE-2019-19921, CVE-2023-27561).
    if (type === "proc" || type === "sysfs")
      openMountpoint(
        context,
        mount.destination,
        "directory",
        target,
        `${why}: filesystem ${JSON.stringify(type)} must be mounted on ordinary directory`,
        REAL_DIRECTORY,
      );
    else openMountpoint(context, mount.destination, "directory", target, why);
    const data = type === "tmpfs" ? withMode(context, mount, options.data) : [...options.data];
    if (context.label && !UNLABELLED.has(type)) data.push(`context=${context.label}`);
    newFilesystem(context, { type, source: mount.source || type, data, flags, attributes }, made, why);
    attach(context, made, target, why);
  }
  // A mount at a place hides what lay there, and whatever was known below it.
  const path = belowRoot(mount.destination);
  if (path === ".") becomeRoot(context, options, made, why);
  context.mounts = context.mounts.filter((one) => one.path !== path && !one.path.startsWith(`${path}/`));
  context.mounts.push({ path, mount: made, empty: mount.type === "tmpfs" && !options.bind && !ready });
  addRecursiveAttributes(context, made, options, why);
  addPropagation(context, made, options, why);
}

/** The options of `remount` for the mount at the place; those of its file system stay what they are. */
function changeMount(context: Context, mount: Mount, options: MountOptions, why: string): void {
  const place = context.plan.slot("mount to change");
  openMountpoint(context, mount.destination, "directory", place, why);
  const { set, clear } = options.attributes;
  setAttributes(context, place, { set, clear: clear | (PLAIN & ~set) }, false, why);
  addRecursiveAttributes(context, place, options, why);
  addPropagation(context, place, options, why);
}

/** What a remount takes away unless it is asked for again. man 2 mount */
const PLAIN =
  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;

/** What is mounted over the root is the root from here on, and nothing is known of it. */
function becomeRoot(context: Context, options: MountOptions, made: Slot, why: string): void {
  if (options.copyUp) throw new Error(`${why}: tmpcopyup is not possible over the root itself`);
  context.root = made;
  context.mounts = [];
  context.exists = () => false;
  context.modeOf = () => undefined;
}

/** A tmpfs without a mode takes over that of the directory it hides, as with runc. */
function withMode(context: Context, mount: Mount, data: string[]): string[] {
  if (data.some((word) => word.startsWith("mode="))) return data;
  const mode = context.modeOf(belowRoot(mount.destination));
  return mode === undefined ? data : [...data, `mode=${mode.toString(8)}`];
}

function addBind(
  context: Context,
  mount: Mount,
  options: MountOptions,
  kind: SourceKind,
  made: Slot,
  target: Slot,
  why: string,
): void {
  const source = mount.source ?? "";
  openMountpoint(
    context,
    mount.destination,
    kind(source, options).kind,
    target,
    why,
    options.targetLink ? LINK : PATH,
  );
  if (!context.ready.has(mount)) copySource(context, mount, options, made, why);
  const { set, clear } = options.attributes;
  if (set || clear) setAttributes(context, made, { set, clear }, false, why);
  attach(context, made, target, why);
}

/** A detached copy of what a bind mount shows. */
export function copySource(
  context: Context,
  mount: Mount,
  options: MountOptions,
  into: Slot,
  why: string,
): void {
  const source = mount.source ?? "";
  if (options.sourceLink)
    context.plan.call("open_tree", [AT_FDCWD, context.plan.string(source), COPY_LINK], { into, why });
  else cloneTree(context, source, options.recursiveBind || mount.type === "rbind", into, why);
}

/** The link that `copy-symlink` asks for, where the image has nothing yet. */
function addLink(context: Context, mount: Mount, text: string, why: string): void {
  const { plan } = context;
  const path = belowRoot(mount.destination);
  const slash = path.lastIndexOf("/");
  let directory = context.root;
  if (slash >= 0) {
    makeDirectories(context, path.slice(0, slash), why);
    directory = plan.slot("parent");
    openInRoot(context, path.slice(0, slash), DIRECTORY, { into: directory, why });
  }
  plan.call("symlinkat", [plan.string(text), directory, plan.string(path.slice(slash + 1))], {
    tolerate: ["EEXIST"],
    why,
  });
}

function addRecursiveAttributes(context: Context, made: Slot, options: MountOptions, why: string): void {
  const { set, clear } = options.recursive;
  if (set || clear) setAttributes(context, made, { set, clear }, true, why);
}

function addPropagation(context: Context, made: Slot, options: MountOptions, why: string): void {
  for (const { type, name, recursive } of options.propagation)
    setAttributes(context, made, { propagation: type, text: name }, recursive, why);
}
