// linux.netDevices: network devices of the host that become the container's. config-linux.md#network-devices
import { O_RDONLY } from "../../../../ffi/constants/fcntl.ts";
import { open } from "../../../../ffi/file.ts";
import { portableAddresses } from "../../../../ffi/netlink/route/address.ts";
import { findLink, setLink } from "../../../../ffi/netlink/route/link.ts";
import { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { inNetns } from "../../../../ffi/netns.ts";
import type { Linux } from "../../../spec/oci/runtime.ts";
import { RuntimeError } from "../errors.ts";

/** Moves the devices into the network namespace of a process, with their permanent global addresses, and brings them up. */
export function moveNetDevices(pid: number, devices: NonNullable<Linux["netDevices"]>): void {
  using host = NetlinkSocket.open("route");
  using netns = open(`/proc/${pid}/ns/net`, O_RDONLY);
  using inside = inNetns(netns, () => NetlinkSocket.open("route"));
  for (const [name, { name: wanted }] of Object.entries(devices)) {
    try {
      moveOne(host, inside, netns.number, name, wanted || name);
    } catch (error) {
      throw new RuntimeError(
        `linux.netDevices: moving ${name} into the container: ${(error as Error).message}`,
      );
    }
  }
}

function moveOne(
  host: NetlinkSocket,
  inside: NetlinkSocket,
  netns: number,
  name: string,
  wanted: string,
): void {
  const link = findLink(host, name);
  if (!link) throw new Error("no such network device");
  const addresses = portableAddresses(host, link.index);
  // It loses its addresses on the way, and is down when it arrives.
  if (link.up) host.request(setLink(link.index, { up: false }));
  host.request(setLink(link.index, { netns, name: wanted }));
  const arrived = findLink(inside, wanted);
  if (!arrived) throw new Error(`it did not arrive as ${wanted}`);
  for (const address of addresses) inside.request(address(arrived.index));
  inside.request(setLink(arrived.index, { up: true }));
}
