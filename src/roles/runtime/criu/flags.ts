// What checkpoint and restore share: flags, how they become criu's options, and the directories of images and of work.
import { makeDirectory, realPath } from "../../../../ffi/path.ts";
import { RuntimeError } from "../errors.ts";
import { type FlagTable, flag, list, type Parsed, text } from "../flags.ts";
import { NAMESPACE_FLAG } from "../launch/namespaces.ts";
import { CGROUPS_MODE, type CriuOptions } from "./rpc.ts";

export const criuFlags = {
  workPath: { names: ["work-path"], kind: "text", about: "path for saving work files and logs" },
  tcpEstablished: { names: ["tcp-established"], kind: "boolean", about: "allow open tcp connections" },
  extUnixSk: { names: ["ext-unix-sk"], kind: "boolean", about: "allow external unix sockets" },
  shellJob: { names: ["shell-job"], kind: "boolean", about: "allow shell jobs" },
  fileLocks: { names: ["file-locks"], kind: "boolean", about: "handle file locks, for safety" },
  manageCgroupsMode: {
    names: ["manage-cgroups-mode"],
    kind: "text",
    about: "cgroups mode: 'soft' (default), 'full' and 'strict'",
  },
  emptyNs: {
    names: ["empty-ns"],
    kind: "list",
    about: "create a namespace, but don't restore its properties",
  },
  autoDedup: {
    names: ["auto-dedup"],
    kind: "boolean",
    about: "enable auto deduplication of memory images",
  },
} as const satisfies FlagTable;

/** The file that tells how the first process's stdio was connected; the name and form are runc's, so that images can be exchanged. */
export const DESCRIPTORS = "descriptors.json";

/** The options both read off their flags. Throws RuntimeError. */
export function sharedOptions(parsed: Parsed): Omit<CriuOptions, "imagesDirFd"> {
  const mode = text(parsed, "manageCgroupsMode") || "soft";
  const number = Object.hasOwn(CGROUPS_MODE, mode) ? CGROUPS_MODE[mode] : undefined;
  if (number === undefined) throw new RuntimeError("Invalid manage cgroups mode");
  let emptyNs = 0;
  for (const name of list(parsed, "emptyNs")) {
    // The only one that criu can leave empty.
    if (name !== "network") throw new RuntimeError(`namespace ${JSON.stringify(name)} is not supported`);
    emptyNs |= NAMESPACE_FLAG.network.flag;
  }
  return {
    tcpEstablished: flag(parsed, "tcpEstablished"),
    extUnixSk: flag(parsed, "extUnixSk"),
    shellJob: flag(parsed, "shellJob"),
    fileLocks: flag(parsed, "fileLocks"),
    autoDedup: flag(parsed, "autoDedup"),
    lazyPages: flag(parsed, "lazyPages"),
    manageCgroups: true,
    manageCgroupsMode: number,
    emptyNs,
    notifyScripts: true,
    orphanPtsMaster: true,
    logLevel: 4,
    // Settings there win over these. criu takes its absence as an empty one.
    configFile: "/etc/criu/runc.conf",
  };
}

export interface Directories {
  images: string;
  /** Where logs go; undefined: beside the images. */
  work: string | undefined;
}

/** --image-path (default: "checkpoint" here) and --work-path, made when `make` and they are not there. */
export function directories(parsed: Parsed, make: boolean): Directories {
  const images = text(parsed, "imagePath") || "checkpoint";
  const work = text(parsed, "workPath") || undefined;
  if (make) makeDirectory(images, 0o700);
  if (work !== undefined) makeDirectory(work, 0o700);
  return { images: realPath(images), work: work && realPath(work) };
}
