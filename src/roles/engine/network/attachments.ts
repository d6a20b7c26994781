// Which endpoints have their interface in the kernel, and the ways in and out of it.
import { setLink } from "../../../../ffi/netlink/route/link.ts";
import { log } from "../../../observe/log.ts";
import { parseAddress, parseMac } from "./address.ts";
import type { Catalog, Network } from "./catalog.ts";
import { interfaceOf, portFailure, publishedPorts } from "./endpoint.ts";
import type { PublishedPort } from "./firewall/definition.ts";
import {
  addDefaultRoute,
  attachInterface,
  attachLoopback,
  forgetInterface,
  removeInterface,
} from "./interface.ts";
import type { Kernel } from "./kernel.ts";
import type { StoredEndpoint } from "./store.ts";

/** A dead namespace takes its interface with it within this time; what is still there then is removed by us. */
const SWEEP_AFTER_MS = 1000;

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

  /** Ports of all attached endpoints: what the firewall's table is to hold. */
  publishedPorts(): PublishedPort[] {
    return this.catalog
      .endpoints()
      .filter(({ endpoint }) => this.#attached.has(endpoint.endpointId))
      .flatMap(publishedPorts);
  }

  /** Attached endpoints of the container through which it has, or could have, its default route. */
  #routed(containerId: string): StoredEndpoint[] {
    return this.catalog
      .endpointsOf(containerId)
      .filter(({ endpoint }) => this.#attached.has(endpoint.endpointId) && endpoint.gateway !== "");
  }

  /** Gives the namespace its interface and opens its ports; when a step fails nothing of it is left. */
  attach(stored: StoredEndpoint, network: Network, netns: string): void {
    const { endpoint } = stored;
    if (network.stored.driver === "host") return;
    if (!network.bridge) {
      attachLoopback(netns);
      return;
    }
    if (network.bridge.index === undefined) this.kernel.ensure(network);
    const hasRoute = this.#routed(endpoint.containerId).length > 0;
    const { mtu } = this.kernel.options;
    attachInterface(this.kernel.route, netns, interfaceOf(network, stored, hasRoute, mtu || undefined));
    this.#attached.set(endpoint.endpointId, netns);
    if (stored.publications.length === 0) return;
    try {
      this.kernel.firewall?.publish(publishedPorts(stored));
    } catch (error) {
      this.#attached.delete(endpoint.endpointId);
      removeInterface(this.kernel.route, stored.hostInterface);
      throw portFailure(endpoint, endpoint.endpointId, error);
    }
  }

  /**
   * The steps that take an endpoint (already off the catalog) out of the kernel; each is to be tried whatever the others do.
   * `live`: the container runs on and loses this interface only.
   */
  detach(stored: StoredEndpoint, network: Network | undefined, live: boolean): (() => void)[] {
    const { endpoint, hostInterface, publications } = stored;
    const netns = this.#attached.get(endpoint.endpointId);
    if (!this.#attached.delete(endpoint.endpointId) || !network?.bridge) return [];
    const bridge = network.bridge.index;
    const { route } = this.kernel;
    return [
      () => {
        if (publications.length > 0) this.kernel.firewall?.unpublish(publishedPorts(stored));
      },
      () => {
        if (live) return removeInterface(route, hostInterface);
        this.#expectDeath(hostInterface);
        forgetInterface(route, {
          hostName: hostInterface,
          bridge: bridge ?? 0,
          mac: parseMac(endpoint.macAddress)!,
          address: parseAddress(endpoint.ipAddress)!,
          customMac: stored.customMac,
        });
      },
      () => {
        if (live && netns) this.#reroute(endpoint.containerId, netns);
      },
    ];
  }

  /** When the network with the default route was left, another one of the container's takes over. */
  #reroute(containerId: string, netns: string): void {
    const [next] = this.#routed(containerId);
    const gateway = next && parseAddress(next.endpoint.gateway);
    if (gateway !== undefined) addDefaultRoute(netns, next!.interfaceName, gateway);
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

  /** Holds the kernel's interfaces against the catalog's endpoints; returns a line for each difference it saw to. */
  restore(): string[] {
    const done: string[] = [];
    const interfaces = this.kernel.interfaces();
    for (const { endpoint, hostInterface } of this.catalog.endpoints()) {
      const { endpointId, containerId, networkName } = endpoint;
      const index = this.catalog.byId(endpoint.networkId)?.bridge?.index;
      if (index === undefined) continue;
      const link = interfaces.get(hostInterface);
      if (!link) {
        // Allocated but not attached yet, or torn out by somebody: it cannot be put back without the container's namespace.
        if (this.#attached.delete(endpointId)) {
          const fields = { container: containerId, network: networkName };
          log("warning", "a running container has lost its network interface; restart it to get one", fields);
        }
        continue;
      }
      this.#attached.set(endpointId, this.#attached.get(endpointId));
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
