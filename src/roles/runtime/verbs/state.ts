import { AT_FDCWD } from "../../../../ffi/constants/fcntl.ts";
import { print } from "../../../../ffi/output.ts";
import { readTextIfThere } from "../../../../ffi/path.ts";
import { statAt, toByteName } from "../../../../ffi/tree.ts";
import type { ContainerState, StateStore } from "../container/state.ts";
import { containerStatus } from "../container/status.ts";
import type { Verb } from "./verb.ts";

/** What `state` and `list --format json` show of a container. */
export function describe(store: StateStore, state: ContainerState) {
  const status = containerStatus(store, state);
  const { annotations } = state.config;
  return {
    ociVersion: state.config.ociVersion,
    id: state.id,
    pid: status === "stopped" ? 0 : state.init_process_pid,
    status,
    bundle: state.bundle,
    rootfs: state.rootfs,
    created: state.created,
    ...(annotations && Object.keys(annotations).length > 0 ? { annotations } : {}),
    owner: "",
  };
}

/** Who made the container: the name of its directory's owner, or "#" and his number. */
export function ownerOf(store: StateStore, id: string): string {
  const uid = statAt(AT_FDCWD, toByteName(store.directory(id)))?.uid ?? 0;
  return uid === 0 ? "root" : (userName(uid) ?? `#${uid}`);
}

const userName = (uid: number) =>
  new RegExp(`^([^:\\n]*):[^:\\n]*:${uid}:`, "m").exec(readTextIfThere("/etc/passwd") ?? "")?.[1];

export const state: Verb = {
  about: "output the state of a container",
  usage: "<container-id>",
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ parsed, store }) {
    print(JSON.stringify(describe(store, store.read(parsed.rest[0]!)), null, 2));
    return 0;
  },
};
