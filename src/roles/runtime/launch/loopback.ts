// A new network namespace starts with its loopback device down.
import { bits } from "../../../launcher/plan.ts";
import type { Context } from "./context.ts";

const IFF_UP = 1;

/** Brings "lo" up. man 7 netdevice, SIOCSIFFLAGS */
export function raiseLoopback({ plan }: Context): void {
  const request = new Uint8Array(40); // struct ifreq: name, then the flags
  request.set(new TextEncoder().encode("lo"));
  new DataView(request.buffer).setUint16(16, IFF_UP, true);
  const socket = plan.slot("socket");
  const why = "bringing up the loopback device";
  plan.call("socket", [bits({ AF_INET: 2 }), bits({ SOCK_DGRAM: 2, SOCK_CLOEXEC: 0o2000000 }), 0], {
    into: socket,
    why,
  });
  plan.call("ioctl", [socket, bits({ SIOCSIFFLAGS: 0x8914 }), plan.bytes('ifreq {"lo", IFF_UP}', request)], {
    why,
  });
  plan.call("close", [socket]);
}
