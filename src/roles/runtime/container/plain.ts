// The plain cases of `start` and `delete`, which need no JavaScript: most containers have no hooks around their start, and
// leave nothing but cgroups and a directory. Whoever makes a container knows whether it is one of those, and writes down
// beside state.json what is to be done; the executable's first instructions do it (scripts/plain-verbs.ts) and save the
// start of an engine, three quarters of such a verb's time. Whatever is not as it was written down is the verb's, as ever.
import { AT_FDCWD } from "../../../../ffi/constants/fcntl.ts";
import { linkat } from "../../../../ffi/file.ts";
import { writeText } from "../../../../ffi/path.ts";
import { directories } from "../cgroup/paths.ts";
import { ownsPids } from "./kill.ts";
import { PLAIN_DELETE, PLAIN_START } from "./names.ts";
import type { ContainerState, StateStore } from "./state.ts";

/** Leaves what a plain `delete` needs: the process that must have ended, and the cgroups, each ended by a NUL. */
export function leaveDelete(store: StateStore, state: ContainerState): void {
  // The other processes of a shared pid namespace are to be killed first, groups of Intel RDT and scopes to be removed.
  if (!ownsPids(state) || state.systemd_unit || state.intel_rdt || state.config.hooks?.poststop?.length)
    return;
  const process = `/proc/${state.init_process_pid}/stat`;
  const lines = [process, ...directories(state.cgroup_paths)].map((path) => `${path}\0`);
  writeText(`${store.directory(state.id)}/${PLAIN_DELETE}`, lines.join(""), { mode: 0o600 });
}

/** Leaves what a plain `start` needs: another name of the start FIFO. Only for a container that is ready. */
export function leaveStart(store: StateStore, state: ContainerState): void {
  const { hooks } = state.config;
  if (hooks?.startContainer?.length || hooks?.poststart?.length) return;
  linkat(AT_FDCWD, store.startFifo(state.id), AT_FDCWD, `${store.directory(state.id)}/${PLAIN_START}`);
}
