// Which endpoints have their interface in the kernel, and the ways in and out of it.
import { statSync } from "node:fs";
import { isErrno } from "../../../../ffi/errno.ts";
import { findLink, setLink } from "../../../../ffi/netlink/route/link.ts";
import { log } from "../../../observe/log.ts";
import { contains, parseAddress, parseMac } from "./address.ts";
import { raiseBridge, raisePort } from "./big-tcp.ts";
import type { Catalog, Network } from "./catalog.ts";
import { endpointSysctls, portFailure, publishedPorts } from "./endpoint.ts";
import type { PublishedPort } from "./firewall/definition.ts";
import { gatewayOf, waysOf } from "./gateway.ts";
import {
  attachInterface,
  attachLoopback,
  type ContainerInterface,
  type Device,
  forgetInterface,
  removeInside,
  removeInterface,
  setWays,
} from "./interface.ts";
import type { Kernel } from "./kernel.ts";
import { stackedKind } from "./parent.ts";
import type { StoredEndpoint } from "./store.ts";

/** A dead namespace takes its interface with it within this time; what is still there then is removed by us. */
const SWEEP_AFTER_MS = 1000;

const addressesOf = ({ endpoint, linkLocal }: StoredEndpoint) =>
  [endpoint.ipAddress, endpoint.ip6Address, ...linkLocal].flatMap((text) => parseAddress(text) ?? []);

/** Whether a container's network namespace is still there (and its number not already somebody else's, on the host). */
function isElsewhere(netns: string): boolean {
  try {
    return statSync(netns).ino !== statSync("/proc/thread-self/ns/net").ino;
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ESRCH")) throw error;
    return false;
  }
}

export class Attachments {
  /** Endpoint id → its container's namespace, where this process saw it. */
  readonly #attached = new Map<string, string | undefined>();
  /** Interfaces that ought to die with their container's namespace. */
  readonly #dying = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly catalog: Catalog,
    readonly kernel: Kernel,
  ) {}

  isAttached(endpointId: string): boolean {
    return this.#attached.has(endpointId);
  }

  /** The namespace of a container that runs, where it is known. */
  namespaceOf(containerId: string): string | undefined {
    for (const stored of this.catalog.endpointsOf(containerId)) {
      const netns = this.#attached.get(stored.endpoint.endpointId) ?? stored.netns;
      if (netns) return netns;
    }
    return undefined;
  }

  /** Ports of all attached endpoints: what the firewall's table is to hold. */
  publishedPorts(): PublishedPort[] {
    return this.catalog
      .endpoints()
      .filter(({ endpoint }) => this.#attached.has(endpoint.endpointId))
      .flatMap((stored) => this.#portsOf(stored));
  }

  #portsOf(stored: StoredEndpoint): PublishedPort[] {
    const bridge = this.catalog.byId(stored.endpoint.networkId)?.bridge;
    return publishedPorts(stored).map((port) => ({
      ...port,
      routed: (port.hostIp.includes(":") ? bridge?.mode6 : bridge?.mode4) === "routed",
    }));
  }

  /** The container's attached endpoint that leads out. */
  #gateway(containerId: string) {
    return gatewayOf(
      this.catalog.endpointsOf(containerId).flatMap((stored) => {
        const network = this.catalog.byId(stored.endpoint.networkId);
        return network && this.#attached.has(stored.endpoint.endpointId) ? [{ stored, network }] : [];
      }),
    );
  }

  #device(network: Network, { hostInterface }: StoredEndpoint): Device {
    const { bridge, stored } = network;
    if (bridge) {
      if (bridge.index === undefined) this.kernel.ensure(network);
      return { kind: "veth", hostName: hostInterface, bridge: bridge.index!, icc: bridge.icc };
    }
    const how = stackedKind(stored.driver as "macvlan" | "ipvlan", stored.options);
    return { kind: "stacked", parent: this.kernel.ensureParent(network), how };
  }

  #interface(network: Network, stored: StoredEndpoint): ContainerInterface {
    const { endpoint, interfaceName, customMac, linkLocal, driverOpts } = stored;
    const at = (text: string) => {
      const address = parseAddress(text);
      const block = address && network.blocks.find(({ subnet }) => contains(subnet, address));
      return block ? [{ address, subnet: block.subnet }] : [];
    };
    const { mtu } = this.kernel.options;
    return {
      device: this.#device(network, stored),
      name: interfaceName,
      // An ipvlan has its parent's.
      mac: network.stored.driver === "ipvlan" ? undefined : parseMac(endpoint.macAddress),
      customMac,
      addresses: [
        ...at(endpoint.ipAddress),
        ...at(endpoint.ip6Address),
        ...linkLocal.flatMap((text) => {
          const address = parseAddress(text)!;
          const [base, prefix] = address.family === 4 ? [address.value & ~0xffffn, 16] : [address.value, 64];
          return [{ address, subnet: { family: address.family, base, prefix } }];
        }),
      ],
      ways: [],
      mtu: network.mtu || (network.bridge ? mtu || undefined : undefined),
      sysctls: endpointSysctls(driverOpts, interfaceName),
    };
  }

  #make(stored: StoredEndpoint, network: Network, netns: string): void {
    const first = this.#gateway(stored.endpoint.containerId)?.stored === stored;
    const iface = this.#interface(network, stored);
    attachInterface(this.kernel.route, netns, { ...iface, ways: first ? waysOf(network, stored) : [] });
    const { bridge } = network;
    const link = bridge && !bridge.foreign ? findLink(this.kernel.route, bridge.name) : undefined;
    if (link) raiseBridge(this.kernel.route, link);
  }

  /** Gives the namespace its interface and opens its ports; when a step fails nothing of it is left. */
  attach(stored: StoredEndpoint, network: Network, netns: string): void {
    const { endpoint } = stored;
    if (network.stored.driver === "host") return;
    if (!network.bridge && !network.stored.parent) {
      attachLoopback(netns);
      return;
    }
    this.#attached.set(endpoint.endpointId, netns);
    try {
      this.#make(stored, network, netns);
    } catch (error) {
      this.#attached.delete(endpoint.endpointId);
      throw error;
    }
    if (stored.publications.length === 0) return;
    try {
      this.kernel.firewall?.publish(this.#portsOf(stored));
    } catch (error) {
      this.#attached.delete(endpoint.endpointId);
      removeInterface(this.kernel.route, stored.hostInterface);
      throw portFailure(endpoint, endpoint.endpointId, error);
    }
  }

  /** Publications went from one endpoint to another of the same container; both are told as they were and as they are. */
  movePorts(before: readonly StoredEndpoint[], after: readonly StoredEndpoint[]): void {
    const ports = (some: readonly StoredEndpoint[]) =>
      some
        .filter(({ endpoint }) => this.#attached.has(endpoint.endpointId))
        .flatMap((one) => this.#portsOf(one));
    const { firewall } = this.kernel;
    if (!firewall) return;
    firewall.unpublish(ports(before));
    firewall.publish(ports(after));
  }

  /**
   * The steps that take an endpoint (already off the catalog) out of the kernel; each is to be tried whatever the others do.
   * `live`: the container runs on and loses this interface only.
   */
  detach(stored: StoredEndpoint, network: Network | undefined, live: boolean): (() => void)[] {
    const { endpoint, hostInterface, interfaceName, publications } = stored;
    const netns = this.#attached.get(endpoint.endpointId) ?? stored.netns;
    if (!this.#attached.delete(endpoint.endpointId) || !network) return [];
    const bridge = network.bridge?.index;
    const { route } = this.kernel;
    return [
      () => {
        if (publications.length > 0) this.kernel.firewall?.unpublish(this.#portsOf(stored));
      },
      () => {
        if (live) {
          if (hostInterface !== "") removeInterface(route, hostInterface);
          else if (netns) removeInside(netns, interfaceName);
          return;
        }
        if (hostInterface === "") return;
        this.#expectDeath(hostInterface);
        forgetInterface(route, {
          hostName: hostInterface,
          bridge: bridge ?? 0,
          mac: parseMac(endpoint.macAddress)!,
          addresses: addressesOf(stored),
          customMac: stored.customMac,
        });
      },
      () => {
        if (live) this.reroute(endpoint.containerId);
      },
    ];
  }

  /** Makes the default route of a running container lead by the network that is now the one to lead out. */
  reroute(containerId: string): void {
    const best = this.#gateway(containerId);
    const netns = this.namespaceOf(containerId);
    if (best && netns) setWays(netns, best.stored.interfaceName, waysOf(best.network, best.stored));
  }

  #expectDeath(hostInterface: string): void {
    this.#dying.add(hostInterface);
    this.#timer ??= setTimeout(() => this.sweep(), SWEEP_AFTER_MS);
    this.#timer.unref();
  }

  /** Removes the interfaces of dead containers whose namespace somebody keeps. Goes on after an error and logs it. */
  sweep(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#dying.size === 0) return;
    const present = this.kernel.interfaces();
    for (const name of this.#dying) {
      try {
        if (present.has(name)) removeInterface(this.kernel.route, name);
      } catch (error) {
        log("warning", `cannot remove the interface ${name} of a container that is gone`, { error });
      }
    }
    this.#dying.clear();
  }

  /** Names of the host's ends of everything attached. */
  hostInterfaces(): string[] {
    return this.catalog
      .endpoints()
      .filter(
        ({ endpoint, hostInterface }) => hostInterface !== "" && this.#attached.has(endpoint.endpointId),
      )
      .map(({ hostInterface }) => hostInterface);
  }

  /** A running container gets a lost interface again, as it was; false for one that has just ended. */
  #remake(stored: StoredEndpoint, network: Network, netns: string): boolean {
    const { endpointId, containerId, networkName } = stored.endpoint;
    if (!isElsewhere(netns)) return false;
    this.#attached.set(endpointId, netns);
    try {
      this.#make(stored, network, netns);
      return true;
    } catch (error) {
      if (!isElsewhere(netns)) return false;
      this.#attached.delete(endpointId);
      const fields = { container: containerId, network: networkName, error };
      log("warning", "a running container has lost its network interface; restart it to get one", fields);
      return false;
    }
  }

  /** Holds the kernel's interfaces against the catalog's endpoints; returns a line for each difference it saw to. */
  restore(): string[] {
    const done: string[] = [];
    const interfaces = this.kernel.interfaces();
    for (const stored of this.catalog.endpoints()) {
      const { endpoint, hostInterface, netns } = stored;
      const { endpointId, containerId, networkName } = endpoint;
      const network = this.catalog.byId(endpoint.networkId);
      if (network?.stored.parent) {
        // It has no end here to look at.
        this.#attached.set(endpointId, this.#attached.get(endpointId) ?? netns);
        continue;
      }
      const index = network?.bridge?.index;
      if (index === undefined) continue;
      const link = interfaces.get(hostInterface);
      if (!link) {
        // Allocated but not attached yet, or torn out by somebody.
        const there = this.#attached.get(endpointId) ?? netns;
        if (network && there && this.#remake(stored, network, there)) {
          done.push(`interface ${hostInterface} of container ${containerId} on network ${networkName}`);
        }
        continue;
      }
      this.#attached.set(endpointId, this.#attached.get(endpointId) ?? netns);
      // One made by an earlier version has the usual limit.
      raisePort(this.kernel.route, link);
      if (link.master === index) continue;
      this.kernel.route.request(setLink(link.index, { master: index, up: true }));
      done.push(`interface ${hostInterface} back on the bridge of network ${networkName}`);
    }
    const ports = new Set([
      ...this.catalog.endpoints().map(({ hostInterface }) => hostInterface),
      ...this.#dying,
    ]);
    for (const name of this.kernel.removeLeftovers(this.catalog.networks(), ports)) {
      done.push(`leftover interface ${name} removed`);
    }
    return done;
  }
}
