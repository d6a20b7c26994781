// Which namespaces a container gets, has from the host, or shares with another container.
import { badRequest, conflict } from "../errors.ts";
import type { NamespaceSource, SpecInput } from "../oci/spec.ts";
import type { Container } from "./container.ts";
import { type Room, remapOf } from "./room.ts";
import { sharedShmPath } from "./shareable-shm.ts";

function runningPid(room: Room, container: Container, reference: string, what: string): number {
  const other = room.registry.get(reference);
  if (other.id === container.id) throw badRequest(`cannot join own ${what} namespace`);
  const { state } = other;
  if (!state.running || state.stored.Pid === 0) {
    throw conflict(
      `cannot join ${what} namespace of a non running container: container ${other.id} is ${state.status}`,
    );
  }
  if (state.restarting) {
    throw conflict(`container ${other.id} is restarting, wait until the container is running`);
  }
  return state.stored.Pid;
}

type Kind = "pid" | "ipc" | "uts" | "net";

function source(room: Room, container: Container, mode: string, kind: Kind, what: string): NamespaceSource {
  const joined = container.joins(mode);
  if (joined) return { path: `/proc/${runningPid(room, container, joined.container, what)}/ns/${kind}` };
  return mode === "host" ? "host" : "private";
}

// A namespace of another container's belongs to its user namespace: who joins the one must be in the other.
function userNamespace(room: Room, container: Container): NamespaceSource {
  const { PidMode, IpcMode, NetworkMode } = container.host;
  for (const mode of [PidMode, IpcMode, NetworkMode]) {
    const joined = container.joins(mode);
    if (joined) return { path: `/proc/${runningPid(room, container, joined.container, "user")}/ns/user` };
  }
  return "private";
}

/** ApiError 404 or 409 for a container that cannot be joined. */
export function containerNamespaces(
  room: Room,
  container: Container,
): Pick<SpecInput, "namespaces" | "sharedShm" | "userNamespace"> {
  const { host } = container;
  const remap = remapOf(room, container);
  const network = source(room, container, host.NetworkMode, "net", "network");
  // A container that shares another's network shares its host name as well.
  const sharedNetwork = container.joins(host.NetworkMode);
  const uts: NamespaceSource =
    host.UTSMode === "host"
      ? "host"
      : sharedNetwork
        ? { path: `/proc/${runningPid(room, container, sharedNetwork.container, "network")}/ns/uts` }
        : "private";
  const donor = container.joins(host.IpcMode);
  let sharedShm = host.IpcMode === "shareable" ? sharedShmPath(container) : undefined;
  if (donor) {
    const other = room.registry.get(donor.container);
    if (other.host.IpcMode === "private" || other.host.IpcMode === "none") {
      throw badRequest(
        `can't join IPC of container ${other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      );
    }
    runningPid(room, container, donor.container, "IPC");
    sharedShm = sharedShmPath(other);
  }
  return {
    namespaces: {
      network,
      uts,
      pid: source(room, container, host.PidMode, "pid", "PID"),
      ipc: source(room, container, host.IpcMode, "ipc", "IPC"),
      cgroup: host.CgroupnsMode === "private" ? "private" : "host",
    },
    ...(sharedShm === undefined ? {} : { sharedShm }),
    ...(remap ? { userNamespace: { ...remap, source: userNamespace(room, container) } } : {}),
  };
}
