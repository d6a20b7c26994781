// macvlan and ipvlan: the interface below, which is the host's, a VLAN of it, or (where none is named) a device that leads nowhere.
import {
  IPVLAN_F_PRIVATE,
  IPVLAN_F_VEPA,
  IPVLAN_MODE_L2,
  IPVLAN_MODE_L3,
  IPVLAN_MODE_L3S,
  MACVLAN_MODE_BRIDGE,
  MACVLAN_MODE_PASSTHRU,
  MACVLAN_MODE_PRIVATE,
  MACVLAN_MODE_VEPA,
} from "../../../../ffi/constants/rtnetlink.ts";
import { isErrno } from "../../../../ffi/errno.ts";
import { findLink, newStacked, type StackedRequest, setLink } from "../../../../ffi/netlink/route/link.ts";
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import type { PlanContext } from "./request.ts";
import type { StoredNetwork } from "./store.ts";
import { NetworkError } from "./types.ts";

type Parent = NonNullable<StoredNetwork["parent"]>;

const MACVLAN: Readonly<Record<string, number>> = {
  bridge: MACVLAN_MODE_BRIDGE,
  private: MACVLAN_MODE_PRIVATE,
  vepa: MACVLAN_MODE_VEPA,
  passthru: MACVLAN_MODE_PASSTHRU,
};
const IPVLAN: Readonly<Record<string, number>> = {
  l2: IPVLAN_MODE_L2,
  l3: IPVLAN_MODE_L3,
  l3s: IPVLAN_MODE_L3S,
};
const IPVLAN_FLAGS: Readonly<Record<string, number>> = {
  bridge: 0,
  private: IPVLAN_F_PRIVATE,
  vepa: IPVLAN_F_VEPA,
};

function chosen(table: Readonly<Record<string, number>>, value: string, what: string, usual: string): number {
  const number = table[value];
  if (number === undefined) {
    throw new NetworkError(`requested ${what} '${value}' is not valid, ${usual} driver default`, 400);
  }
  return number;
}

export type StackedKind = { type: "macvlan"; mode: number } | { type: "ipvlan"; mode: number; flags: number };

const CONFIGURATION: Readonly<Record<string, string>> = {
  macvlan: "CONFIG_MACVLAN",
  ipvlan: "CONFIG_IPVLAN",
  vlan: "CONFIG_VLAN_8021Q",
  dummy: "CONFIG_DUMMY",
};

/** Makes the device. Throws NetworkError 501 where the kernel has no such thing. */
export function makeStacked(socket: NetlinkSocket, request: StackedRequest): void {
  try {
    socket.request(newStacked(request));
  } catch (error) {
    if (!isErrno(error, "EOPNOTSUPP")) throw error;
    const { type } = request.kind;
    const hint = type === "dummy" ? "; name an interface with -o parent=NAME" : "";
    throw new NetworkError(
      `this kernel has no ${type} devices (${CONFIGURATION[type]} is off, or its module is not loaded)${hint}`,
      501,
      { cause: error },
    );
  }
}

/** What a container's interface on the network is, by the network's options. Throws NetworkError 400. */
export function stackedKind(
  driver: "macvlan" | "ipvlan",
  options: Readonly<Record<string, string>>,
): StackedKind {
  return driver === "macvlan"
    ? {
        type: "macvlan",
        mode: chosen(
          MACVLAN,
          options["macvlan_mode"] || "bridge",
          "macvlan mode",
          "'bridge' mode is the macvlan",
        ),
      }
    : {
        type: "ipvlan",
        mode: chosen(IPVLAN, options["ipvlan_mode"] || "l2", "ipvlan mode", "'l2' mode is the ipvlan"),
        flags: chosen(
          IPVLAN_FLAGS,
          options["ipvlan_flag"] || "bridge",
          "ipvlan flag",
          "'bridge' is the ipvlan",
        ),
      };
}

/** The VLAN number in "eth0.10"; undefined for a plain interface. */
function vlanOf(name: string): { below: string; id: number } | undefined {
  const match = /^(.+)\.(\d{1,4})$/.exec(name);
  const id = Number(match?.[2]);
  return match && id >= 1 && id <= 4094 ? { below: match[1]!, id } : undefined;
}

/** Decides the interface below a new network. Changes nothing. Throws NetworkError. */
export function parentOf(
  { catalog, socket }: PlanContext,
  id: string,
  driver: "macvlan" | "ipvlan",
  options: Readonly<Record<string, string>>,
): Parent {
  stackedKind(driver, options);
  const asked = options["parent"];
  if (!asked) return { name: `${driver === "macvlan" ? "dm" : "di"}-${id.slice(0, 12)}`, made: "dummy" };
  if (asked === "lo") {
    throw new NetworkError(`loopback interface is not a valid ${driver} parent link`, 400);
  }
  const same = catalog.networks().find(({ stored }) => stored.parent?.name === asked);
  if (same && same.stored.driver !== driver) {
    throw new NetworkError(`network ${same.stored.name} is already using parent interface ${asked}`, 403);
  }
  if (findLink(socket, asked)) return { name: asked, ...(same?.stored.parent?.made ? { made: "vlan" } : {}) };
  const vlan = vlanOf(asked);
  if (!vlan || !findLink(socket, vlan.below)) {
    throw new NetworkError(`invalid subinterface vlan name ${asked}, example formatting is eth0.10`, 400);
  }
  return { name: asked, made: "vlan" };
}

/** Makes the interface below where it is ours and missing; returns its index. Throws. */
export function ensureParent(socket: NetlinkSocket, parent: Parent, alias: string): number {
  const present = findLink(socket, parent.name);
  if (present) {
    if (!present.up && parent.made) socket.request(setLink(present.index, { up: true }));
    return present.index;
  }
  if (!parent.made) throw new Error(`the parent interface ${parent.name} does not exist`);
  const vlan = parent.made === "vlan" ? vlanOf(parent.name) : undefined;
  const below = vlan && findLink(socket, vlan.below);
  if (vlan && !below) throw new Error(`the parent interface ${vlan.below} does not exist`);
  makeStacked(socket, {
    name: parent.name,
    parent: below?.index,
    kind: vlan ? { type: "vlan", id: vlan.id } : { type: "dummy" },
    up: true,
  });
  const link = findLink(socket, parent.name);
  if (!link) throw new Error(`interface ${parent.name} vanished while it was made`);
  socket.request(setLink(link.index, { alias }));
  return link.index;
}

/** Removes the interface below where it is ours. */
export function removeParent(parent: Parent, remove: (name: string) => void): void {
  if (!parent.made) return;
  try {
    remove(parent.name);
  } catch (error) {
    if (!isErrno(error, "ENODEV")) throw error;
  }
}
