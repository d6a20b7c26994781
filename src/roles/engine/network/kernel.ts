// What the engine has in the kernel: sockets, bridges, the firewall's table. Opened at the first bridge network, so that an
// engine without one needs no privilege and leaves no trace.
import { readdirSync, readFileSync } from "node:fs";
import { type LinkInfo, listLinks } from "../../../../ffi/netlink/route/link.ts";
import { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { log } from "../../../observe/log.ts";
import { ensureBridge, removeBridge } from "./bridge.ts";
import type { Network } from "./catalog.ts";
import type { FirewalledBridge, FirewallState } from "./firewall/definition.ts";
import { Firewall } from "./firewall/firewall.ts";
import { admit } from "./firewall/foreign.ts";
import { removeInterface } from "./interface.ts";
import type { Instance, NetworkOptions } from "./options.ts";
import { ensureParent, removeParent } from "./parent.ts";
import { setSysctl } from "./sysctl.ts";
import { watch } from "./watch.ts";

/**
 * With IPv6 forwarding on, the kernel no longer heeds router advertisements (accept_ra=1), by which the host itself may have
 * its address and its way out: those interfaces are told to go on (2).
 */
function enableIpv6Forwarding(lost: string): void {
  const all = "/proc/sys/net/ipv6/conf";
  try {
    if (readFileSync(`${all}/all/forwarding`, "utf8").trim() === "1") return;
    for (const name of readdirSync(all)) {
      if (name === "all" || name === "default" || name === "lo") continue;
      if (readFileSync(`${all}/${name}/accept_ra`, "utf8").trim() !== "1") continue;
      setSysctl(`net/ipv6/conf/${name}/accept_ra`, "2", `${name} no longer heeds router advertisements`);
    }
  } catch (error) {
    log("warning", "cannot look at the host's IPv6 settings", { error });
  }
  setSysctl("net/ipv6/conf/all/forwarding", "1", lost);
}

/** Names that `planEndpoint` gives to bridge ports. */
const OUR_PORT = /^veth[0-9a-f]{7}$/;

export class Kernel implements Disposable {
  #route: NetlinkSocket | undefined;
  #firewall: Firewall | undefined;
  readonly #watches: Disposable[] = [];

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
  enableForwarding(networks: readonly Network[]): void {
    if (this.options.ipForward === false) return;
    const lost = "containers reach nothing beyond this host, and published ports only work on it";
    const bridged = networks.filter(({ bridge }) => bridge);
    if (bridged.some(({ v4 }) => v4)) setSysctl("net/ipv4/ip_forward", "1", lost);
    if (bridged.some(({ v6, stored }) => v6 && !stored.internal)) enableIpv6Forwarding(lost);
  }

  ensure(network: Network): void {
    const { stored, bridge, v4 } = network;
    if (stored.parent) this.ensureParent(network);
    if (!bridge) return;
    const blocks = network.blocks.filter((block) => !(bridge.inhibit4 && block === v4));
    bridge.index = ensureBridge(this.route, {
      name: bridge.name,
      addresses: blocks.flatMap(({ gateway, subnet }) => (gateway ? [{ address: gateway, subnet }] : [])),
      foreign: bridge.foreign,
      mtu: network.mtu || this.options.mtu || undefined,
      alias: `${this.instance.alias} ${stored.name}`,
    });
  }

  /** The interface below a macvlan or ipvlan network; its index. Throws. */
  ensureParent({ stored }: Network): number {
    if (!stored.parent) throw new Error(`network ${stored.name} has no parent interface`);
    return ensureParent(this.route, stored.parent, `${this.instance.alias} ${stored.name}`);
  }

  /** `others` are the networks that stay: a VLAN that one of them uses stays too. */
  remove({ stored, bridge }: Network, others: readonly Network[]): void {
    const { parent } = stored;
    if (parent && !others.some((other) => other.stored.parent?.name === parent.name)) {
      removeParent(parent, (name) => removeInterface(this.route, name));
    }
    if (!bridge) return;
    if (!bridge.foreign) removeBridge(this.route, bridge.name);
    bridge.index = undefined;
  }

  /** A network came or went. */
  addBridge(bridge: FirewalledBridge): void {
    this.firewall?.addBridge(bridge);
    this.mendForeign();
  }

  removeBridge(bridge: FirewalledBridge): void {
    this.firewall?.removeBridge(bridge);
    this.mendForeign();
  }

  /** Lets our containers' packets through the other tables' forward chains that drop what they do not know. */
  mendForeign(): string[] {
    const { firewall } = this;
    if (!firewall) return [];
    try {
      return admit(
        firewall.socket,
        firewall.table,
        this.state().bridges.map(({ name }) => name),
      );
    } catch (error) {
      log("warning", "cannot let containers through the host's other firewall rules", { error });
      return [];
    }
  }

  /** Puts back what somebody took out of the firewall; a line for each thing. */
  mendFirewall(): string[] {
    const { firewall } = this;
    if (!firewall) return [];
    const done: string[] = [];
    if (!firewall.intact()) {
      firewall.replace();
      done.push(`nftables table inet ${firewall.table}`);
    }
    return [...done, ...this.mendForeign()];
  }

  /** From now on a change of the host's rules or interfaces by anybody else is looked at as it happens. */
  watch(mend: { rules: () => Promise<string[]>; interfaces: () => Promise<string[]> }): void {
    if (this.#watches.length > 0) return;
    this.#watches.push(watch("interfaces", mend.interfaces));
    if (!this.firewall) return;
    this.mendForeign();
    this.#watches.push(watch("rules", mend.rules));
  }

  /** Takes away every bridge of ours and the table. Goes on after an error and logs it. */
  removeAll(networks: readonly Network[]): void {
    if (!this.#route) return;
    const steps = [
      ...networks.map((network) => () => this.remove(network, [])),
      () => this.firewall && admit(this.firewall.socket, this.firewall.table, []),
      () => this.firewall?.remove(),
    ];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        log("warning", "cannot remove what the engine made in the network", { error });
      }
    }
  }

  /** Interfaces of this host by name. */
  interfaces(): Map<string, LinkInfo> {
    return new Map(listLinks(this.route).map((link) => [link.name, link]));
  }

  /**
   * Removes what an engine that was killed left behind: ports of our bridges that no endpoint has, and bridges with our mark
   * that no network has. Goes on after an error and logs it.
   */
  removeLeftovers(networks: readonly Network[], ports: ReadonlySet<string>): string[] {
    const links = listLinks(this.route);
    const ours = new Set(networks.flatMap(({ bridge }) => (bridge?.index ? [bridge.index] : [])));
    const parents = new Set(networks.flatMap(({ stored }) => (stored.parent ? [stored.parent.name] : [])));
    const leftover = links.filter(
      ({ name, master, kind, index, alias }) =>
        (kind === "veth" && ours.has(master) && OUR_PORT.test(name) && !ports.has(name)) ||
        ((kind === "bridge" || kind === "dummy" || kind === "vlan") &&
          !ours.has(index) &&
          !parents.has(name) &&
          alias.startsWith(`${this.instance.alias} `)),
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
    for (const one of this.#watches.splice(0)) one[Symbol.dispose]();
    this.#route?.close();
    this.#route = undefined;
    this.#firewall?.[Symbol.dispose]();
    this.#firewall = undefined;
  }
}
