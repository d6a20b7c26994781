// Mount options as runtime-spec config.md#linux-mount-options lists them: attributes, propagation, and the file system's own.
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_RELATIME,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../../../../ffi/constants/mount.ts";

/** Bits to set and to clear with mount_setattr. */
export interface Attributes {
  set: number;
  clear: number;
}

export interface MountOptions {
  bind: boolean;
  recursiveBind: boolean;
  /** For the mount itself. */
  attributes: Attributes;
  /** For the mount and all below it (`rro`, `rnosuid` …). */
  recursive: Attributes;
  /** Propagation changes in the order given; `recursive` for `rshared` and its like. */
  propagation: { type: number; name: string; recursive: boolean }[];
  copyUp: boolean;
  /** Changes the mount that is at the place already. */
  remount: boolean;
  /** crun's `src-nofollow` and `dest-nofollow`: the link itself is mounted, or mounted on. */
  sourceLink: boolean;
  targetLink: boolean;
  /** crun's `copy-symlink`: a source that is a link becomes the same link in the container. */
  copyLink: boolean;
  idmap: "" | "idmap" | "ridmap";
  /** What is left goes to the file system: "mode=755", "size=64m". */
  data: string[];
  /** Superblock flags by their fsconfig names: "sync", "dirsync", "lazytime". */
  superblock: string[];
}

type Change = { set?: number; clear?: number; atime?: number };

const ATTRIBUTE: Readonly<Record<string, Change>> = {
  ro: { set: MOUNT_ATTR_RDONLY },
  rw: { clear: MOUNT_ATTR_RDONLY },
  nosuid: { set: MOUNT_ATTR_NOSUID },
  suid: { clear: MOUNT_ATTR_NOSUID },
  nodev: { set: MOUNT_ATTR_NODEV },
  dev: { clear: MOUNT_ATTR_NODEV },
  noexec: { set: MOUNT_ATTR_NOEXEC },
  exec: { clear: MOUNT_ATTR_NOEXEC },
  nodiratime: { set: MOUNT_ATTR_NODIRATIME },
  diratime: { clear: MOUNT_ATTR_NODIRATIME },
  nosymfollow: { set: MOUNT_ATTR_NOSYMFOLLOW },
  symfollow: { clear: MOUNT_ATTR_NOSYMFOLLOW },
  noatime: { atime: MOUNT_ATTR_NOATIME },
  atime: { atime: MOUNT_ATTR_RELATIME },
  relatime: { atime: MOUNT_ATTR_RELATIME },
  // Not the same as strictatime: the kernel's own default is relatime.
  norelatime: { atime: MOUNT_ATTR_RELATIME },
  strictatime: { atime: MOUNT_ATTR_STRICTATIME },
  nostrictatime: { atime: MOUNT_ATTR_RELATIME },
};

const PROPAGATION: Readonly<Record<string, number>> = {
  shared: MS_SHARED,
  slave: MS_SLAVE,
  private: MS_PRIVATE,
  unbindable: MS_UNBINDABLE,
};

/** The propagation flag a word such as "rslave" stands for, or undefined. */
export function propagationOf(word: string): { type: number; name: string; recursive: boolean } | undefined {
  const recursive = word.startsWith("r") && word.slice(1) in PROPAGATION;
  const name = recursive ? word.slice(1) : word;
  const type = PROPAGATION[name];
  return type === undefined ? undefined : { type, name: `MS_${name.toUpperCase()}`, recursive };
}

const SUPERBLOCK = new Set(["sync", "dirsync", "lazytime", "mand", "iversion"]);
/** Words that ask for what is the default anyway. */
const DEFAULTS = new Set([
  "defaults",
  "async",
  "nolazytime",
  "nomand",
  "noiversion",
  "loud",
  "silent",
  "acl",
  "noacl",
]);

function apply(to: Attributes, change: Change): void {
  if (change.atime !== undefined) {
    to.clear |= MOUNT_ATTR__ATIME;
    to.set = (to.set & ~MOUNT_ATTR__ATIME) | change.atime;
  }
  if (change.set) {
    to.set |= change.set;
    to.clear &= ~change.set;
  }
  if (change.clear) {
    to.clear |= change.clear;
    to.set &= ~change.clear;
  }
}

/** Every option word this runtime knows, for `features`. */
export function knownOptions(): string[] {
  const recursive = Object.keys(ATTRIBUTE).map((name) => `r${name}`);
  const propagation = Object.keys(PROPAGATION).flatMap((name) => [name, `r${name}`]);
  return [
    ...Object.keys(ATTRIBUTE),
    ...recursive,
    ...propagation,
    ...SUPERBLOCK,
    ...DEFAULTS,
    "bind",
    "rbind",
    "tmpcopyup",
    "remount",
    "src-nofollow",
    "dest-nofollow",
    "copy-symlink",
    "idmap",
    "ridmap",
  ]
    .filter((word, i, all) => all.indexOf(word) === i)
    .sort();
}

export function parseMountOptions(words: readonly string[]): MountOptions {
  const options: MountOptions = {
    bind: false,
    recursiveBind: false,
    attributes: { set: 0, clear: 0 },
    recursive: { set: 0, clear: 0 },
    propagation: [],
    copyUp: false,
    remount: false,
    sourceLink: false,
    targetLink: false,
    copyLink: false,
    idmap: "",
    data: [],
    superblock: [],
  };
  for (const word of words) {
    const attribute = ATTRIBUTE[word];
    const recursive = word.startsWith("r") ? ATTRIBUTE[word.slice(1)] : undefined;
    const propagation = propagationOf(word);
    if (attribute) apply(options.attributes, attribute);
    else if (recursive) apply(options.recursive, recursive);
    else if (propagation) options.propagation.push(propagation);
    else if (word === "bind") options.bind = true;
    else if (word === "rbind") {
      options.bind = true;
      options.recursiveBind = true;
    } else if (word === "tmpcopyup") options.copyUp = true;
    else if (word === "remount") options.remount = true;
    else if (word === "src-nofollow") options.sourceLink = true;
    else if (word === "dest-nofollow") options.targetLink = true;
    else if (word === "copy-symlink") options.copyLink = true;
    else if (word === "idmap" || word === "ridmap") options.idmap = word;
    else if (SUPERBLOCK.has(word)) options.superblock.push(word);
    else if (!DEFAULTS.has(word) && word !== "") options.data.push(word);
  }
  return options;
}
