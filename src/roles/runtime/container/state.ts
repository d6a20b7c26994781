// What the runtime keeps of a container: <root>/<id>/state.json and the start FIFO. The names of runc's own file are kept
// (id, init_process_pid, cgroup_paths …), since monitoring programs read it.

import { NR } from "../../../../ffi/arch/index.ts";
import { AT_FDCWD, AT_REMOVEDIR } from "../../../../ffi/constants/fcntl.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import { cstr, rawSyscall } from "../../../../ffi/libc.ts";
import {
  exists,
  makeDirectories,
  makeDirectory,
  namesAt,
  readText,
  removeAll,
  rename,
  writeText,
} from "../../../../ffi/path.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import type { CgroupPaths } from "../cgroup/paths.ts";
import { alreadyExists, notExist, RuntimeError } from "../errors.ts";
import type { Unit } from "../systemd/unit.ts";
import type { RdtGroups } from "./intel-rdt.ts";
import { PLAIN_DELETE, PLAIN_START, START, STATE } from "./names.ts";

export interface ContainerState {
  id: string;
  /** 0 until the process exists. */
  init_process_pid: number;
  /** Field 22 of /proc/PID/stat, which tells a reused pid from ours. */
  init_process_start: number;
  created: string;
  bundle: string;
  rootfs: string;
  /** Whether everything was set up; before that the status is "creating". */
  ready: boolean;
  cgroup_paths: CgroupPaths;
  /** Its groups of Intel RDT, when config.json asks for some. */
  intel_rdt?: RdtGroups | undefined;
  /** Its unit, with `--systemd-cgroup`. */
  systemd_unit?: Unit | undefined;
  namespace_paths: Record<string, string>;
  no_pivot: boolean;
  /** Whether it has a session keyring of its own, which exec joins. */
  keyring: boolean;
  /** What exec, hooks and delete need of config.json; the bundle may be gone or changed by then. */
  config: Config;
}

/** What is known of a container before anything of it exists. */
type Known = Omit<
  ContainerState,
  "init_process_pid" | "init_process_start" | "created" | "ready" | "namespace_paths"
>;

/** The state of a container that is about to be made, now. */
export function newState(known: Known): ContainerState {
  return {
    init_process_pid: 0,
    init_process_start: 0,
    created: new Date().toISOString(),
    ready: false,
    namespace_paths: {},
    ...known,
  };
}

/** Directory of all containers' states. */
export class StateStore {
  constructor(readonly root: string) {}

  directory(id: string): string {
    return `${this.root}/${id}`;
  }

  startFifo(id: string): string {
    return `${this.directory(id)}/${START}`;
  }

  /** Nobody waits for the start any more. */
  removeStartFifo(id: string): void {
    for (const name of [START, PLAIN_START]) removeAll(`${this.directory(id)}/${name}`);
  }

  /** Claims the id. Throws when it is invalid or taken. */
  claim(id: string): void {
    checkId(id);
    makeDirectories(this.root, 0o700);
    if (!makeDirectory(this.directory(id), 0o711)) throw alreadyExists();
  }

  write(state: ContainerState): void {
    // Below /run: it need not outlive a power cut, since the container does not either.
    const path = `${this.directory(state.id)}/${STATE}`;
    writeText(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
    rename(`${path}.new`, path);
  }

  /** Throws "container does not exist". An id whose claimer was killed before its first write counts as not existing. */
  read(id: string): ContainerState {
    checkId(id);
    let text: string;
    try {
      text = readText(`${this.directory(id)}/${STATE}`);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) throw notExist();
      throw error;
    }
    try {
      return JSON.parse(text) as ContainerState;
    } catch (error) {
      throw new RuntimeError(`reading ${this.directory(id)}/state.json: ${(error as Error).message}`);
    }
  }

  /** Whether the id is claimed, even without a state. */
  claimed(id: string): boolean {
    checkId(id);
    return exists(this.directory(id));
  }

  remove(id: string): void {
    const directory = this.directory(id);
    for (const name of [STATE, START, PLAIN_START, PLAIN_DELETE])
      rawSyscall(NR.unlinkat, AT_FDCWD, cstr(`${directory}/${name}`), 0);
    // Whatever else may lie there is looked for only if something does.
    if (rawSyscall(NR.unlinkat, AT_FDCWD, cstr(directory), AT_REMOVEDIR) < 0) removeAll(directory);
  }

  list(): string[] {
    return (namesAt(this.root) ?? []).filter((name) => exists(`${this.root}/${name}/${STATE}`)).sort();
  }
}

/** Ids become directory names. runc accepts word characters and `+-.`; not "." and "..". */
export function checkId(id: string): void {
  if (id === "") throw new RuntimeError("container id cannot be empty");
  if (!/^[\w+.-]+$/.test(id) || id === "." || id === "..")
    throw new RuntimeError("invalid container ID format");
}
