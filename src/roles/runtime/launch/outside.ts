// What a container with a user namespace needs from outside of it: its first process may not walk the host's directories any
// more, nor make device nodes. Copies of the mounts are taken while the launcher is still the host's root.
import {
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_REC,
  MS_SLAVE,
} from "../../../../ffi/constants/mount.ts";
import { makedev } from "../../../../ffi/file.ts";
import { bits, Constant, type Slot } from "../../../launcher/plan.ts";
import { hostId } from "../../../spec/oci/id-mapping.ts";
import type { Config, Device, IdMapping } from "../../../spec/oci/runtime.ts";
import { AT_FDCWD, type Context } from "./context.ts";
import { containerDevices, nodeMode } from "./devices.ts";
import { parseMountOptions, propagationOf } from "./mount-options.ts";
import {
  cloneTree,
  copySource,
  isBind,
  mountWhy,
  newFilesystem,
  type SourceKind,
  setAttributes,
} from "./mounts.ts";
import { flagsOf } from "./namespaces.ts";
import { COPY } from "./open-flags.ts";

export interface Outside {
  /** The rootfs, as a detached mount. */
  root: Slot;
  /** Device nodes by their path in the container, each a detached mount. */
  devices: Map<string, Slot>;
}

/** A file system of the kernel that only the owner of a namespace may mount: without that namespace the host's is bound. */
const OWNED_BY: Readonly<Record<string, { namespace: string; path: string }>> = {
  sysfs: { namespace: "network", path: "/sys" },
  proc: { namespace: "pid", path: "/proc" },
  mqueue: { namespace: "ipc", path: "/dev/mqueue" },
};

/** Takes the rootfs, the sources of bind mounts (into `context.ready`) and the devices. */
export function takeOutside(context: Context, config: Config, rootfs: string, kind: SourceKind): Outside {
  const { plan } = context;
  const { linux = {}, mounts = [] } = config;
  const propagation = propagationOf((linux.rootfsPropagation || "rslave").replace("unbindable", "private"))!;
  const take = (path: string, why: string, into: (copy: Slot) => void) => {
    const copy = plan.slot(`copy of ${path}`);
    into(copy);
    setAttributes(context, copy, { propagation: propagation.type, text: propagation.name }, true, why);
    return copy;
  };
  const why = `bind-mounting the rootfs ${rootfs}`;
  const root = take(rootfs, why, (copy) => cloneTree(context, rootfs, true, copy, why));
  const types = new Set<string>((linux.namespaces ?? []).map(({ type }) => type));
  for (const mount of mounts) {
    if (context.ready.has(mount)) continue;
    const why = mountWhy(mount);
    const options = parseMountOptions(mount.options ?? []);
    if (options.remount) continue;
    if (isBind(mount, options)) {
      const source = mount.source ?? "";
      if (options.copyLink && kind(source, options).link !== undefined) continue;
      context.ready.set(
        mount,
        take(source, why, (copy) => copySource(context, mount, options, copy, why)),
      );
      continue;
    }
    const owned = OWNED_BY[mount.type ?? ""];
    if (owned && !types.has(owned.namespace))
      context.ready.set(
        mount,
        take(owned.path, why, (copy) => cloneTree(context, owned.path, true, copy, why)),
      );
  }
  return { root, devices: takeDevices(context, config) };
}

/** The host's id behind one of the container's; root's when there is none. */
const outer = (id: number, maps: readonly IdMapping[] = []): number => hostId(id, maps) ?? 0;

/** Nodes on a tmpfs of their own. */
function takeDevices(context: Context, config: Config): Map<string, Slot> {
  const { plan } = context;
  const { linux = {} } = config;
  const nodes = containerDevices(linux.devices ?? []).filter(({ type }) => type !== "p");
  const holder = plan.slot("devices");
  const why = "preparing device nodes";
  plan.call("umask", [0]);
  newFilesystem(
    context,
    {
      type: "tmpfs",
      source: "tmpfs",
      data: ["mode=755"],
      attributes: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
    },
    holder,
    why,
  );
  const taken = new Map<string, Slot>();
  nodes.forEach((node, i) => {
    taken.set(node.path, takeDevice(context, holder, `${i}`, node, linux, i === 0));
  });
  return taken;
}

function takeDevice(
  context: Context,
  holder: Slot,
  name: string,
  node: Device,
  maps: { uidMappings?: IdMapping[]; gidMappings?: IdMapping[] },
  first: boolean,
): Slot {
  const { plan } = context;
  const why = `creating device ${node.path}`;
  const mode = nodeMode(node);
  const at = plan.string(name);
  const number = makedev(node.major ?? 0, node.minor ?? 0);
  plan.call("mknodat", [holder, at, new Constant(mode, `0${mode.toString(8)}`), number], { why });
  plan.call(
    "fchownat",
    [holder, at, outer(node.uid ?? 0, maps.uidMappings), outer(node.gid ?? 0, maps.gidMappings), 0],
    { why },
  );
  const slot = plan.slot(`device ${node.path}`);
  if (!first) {
    plan.call("open_tree", [holder, at, COPY], { into: slot, why });
    return slot;
  }
  const older = plan.label("an older kernel");
  const done = plan.label(`took ${node.path}`);
  plan.call("open_tree", [holder, at, COPY], {
    into: slot,
    tolerate: ["EINVAL"],
    fail: older,
    ok: done,
    why,
  });
  plan.place(older);
  attachPrivately(context, holder, why);
  plan.call("open_tree", [holder, at, COPY], { into: slot, why });
  plan.place(done);
  return slot;
}

/**
 * Before Linux 6.15 nothing can be bound from a detached mount: it is put somewhere, in a mount namespace that nobody else
 * sees. The place is one that no path of the plan leads to from here on, and not below /sys or /proc: what hides a part of
 * those keeps the user namespace from mounting its own. It goes with the old root.
 */
function attachPrivately({ plan }: Context, mount: Slot, why: string): void {
  plan.call("unshare", [flagsOf(["mount"])], { why });
  plan.call("mount", [0, plan.string("/"), 0, bits({ MS_SLAVE, MS_REC }), 0], { why });
  plan.call("move_mount", [mount, plan.string(""), AT_FDCWD, plan.string("/dev/pts"), FROM_OPEN], { why });
}

const FROM_OPEN = bits({ MOVE_MOUNT_F_EMPTY_PATH });
