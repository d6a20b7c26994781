// What the engine has in the kernel: sockets, bridges, the firewall's table. Opened at the first bridge network, so that an
// engine without one needs no privilege and leaves no trace.
import { listLinks } from "../../../../ffi/netlink/route/link.ts";
import { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { log } from "../../../observe/log.ts";
import { ensureBridge, removeBridge } from "./bridge.ts";
import type { Network } from "./catalog.ts";
import type { FirewallState } from "./firewall/definition.ts";
import { Firewall } from "./firewall/firewall.ts";
import { removeInterface } from "./interface.ts";
import type { Instance, NetworkOptions } from "./options.ts";
import { setSysctl } from "./sysctl.ts";

/** Names that `planEndpoint` gives to bridge ports. */
const OUR_PORT = /^veth[0-9a-f]{7}$/;

export class Kernel implements Disposable {
  #route: NetlinkSocket | undefined;
  #firewall: Firewall | undefined;

  constructor(
    readonly options: NetworkOptions,
    readonly instance: Instance,
    readonly state: () => FirewallState,
  ) {}

  get route(): NetlinkSocket {
    this.#route ??= NetlinkSocket.open("route");
    return this.#route;
  }

  /** Undefined with --iptables=false. Throws FirewallUnavailable. */
  get firewall(): Firewall | undefined {
    if (this.options.iptables === false) return undefined;
    this.#firewall ??= new Firewall(this.instance.table, this.state);
    return this.#firewall;
  }

  /** Packets of containers pass through this host only with forwarding on. */
  enableForwarding(): void {
    if (this.options.ipForward === false) return;
    setSysctl(
      "net/ipv4/ip_forward",
      "1",
      "containers reach nothing beyond this host, and published ports only work on it",
    );
  }

  ensure({ stored, bridge }: Network): void {
    if (!bridge) return;
    bridge.index = ensureBridge(this.route, {
      name: bridge.name,
      gateway: bridge.gateway,
      subnet: bridge.subnet,
      foreign: bridge.foreign,
      mtu: bridge.mtu || this.options.mtu || undefined,
      alias: `${this.instance.alias} ${stored.name}`,
    });
  }

  remove({ bridge }: Network): void {
    if (!bridge) return;
    if (!bridge.foreign) removeBridge(this.route, bridge.name);
    bridge.index = undefined;
  }

  /** Takes away every bridge of ours and the table. Goes on after an error and logs it. */
  removeAll(networks: readonly Network[]): void {
    if (!this.#route) return;
    const steps = [...networks.map((network) => () => this.remove(network)), () => this.firewall?.remove()];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        log("warning", "cannot remove what the engine made in the network", { error });
      }
    }
  }

  /** Interface names on this host. */
  interfaces(): Map<string, { index: number; master: number }> {
    return new Map(listLinks(this.route).map((link) => [link.name, link]));
  }

  /**
   * Removes what an engine that was killed left behind: ports of our bridges that no endpoint has, and bridges with our mark
   * that no network has. Goes on after an error and logs it.
   */
  removeLeftovers(networks: readonly Network[], ports: ReadonlySet<string>): string[] {
    const links = listLinks(this.route);
    const ours = new Set(networks.flatMap(({ bridge }) => (bridge?.index ? [bridge.index] : [])));
    const leftover = links.filter(
      ({ name, master, kind, index, alias }) =>
        (kind === "veth" && ours.has(master) && OUR_PORT.test(name) && !ports.has(name)) ||
        (kind === "bridge" && !ours.has(index) && alias.startsWith(`${this.instance.alias} `)),
    );
    for (const { name } of leftover) {
      try {
        removeInterface(this.route, name);
      } catch (error) {
        log("warning", `cannot remove the leftover interface ${name}`, { error });
      }
    }
    return leftover.map(({ name }) => name);
  }

  [Symbol.dispose](): void {
    this.#route?.close();
    this.#route = undefined;
    this.#firewall?.[Symbol.dispose]();
    this.#firewall = undefined;
  }
}
