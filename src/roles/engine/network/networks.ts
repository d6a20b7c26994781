// The engine's networks, put together: bookkeeping first, then the kernel; on the way back the kernel first. Every method does its
// work without awaiting, so no two of them can meet half-way.
import { setLink } from "../../../../ffi/netlink/route/link.ts";
import { log } from "../../../observe/log.ts";
import { parseAddress, parseMac } from "./address.ts";
import { Catalog, firewalled, type Network, newId, OPTION } from "./catalog.ts";
import { electDefaultBridge } from "./default-bridge.ts";
import { interfaceOf, planEndpoint, portFailure, publishedPorts } from "./endpoint.ts";
import type { FirewallState } from "./firewall/definition.ts";
import { attachInterface, attachLoopback, forgetInterface, removeInterface } from "./interface.ts";
import { Kernel } from "./kernel.ts";
import { instanceOf, type NetworkOptions, type NetworksConfig } from "./options.ts";
import { DEFAULT_POOLS, parsePools } from "./pools.ts";
import { HostPorts } from "./ports.ts";
import { PREDEFINED, planNetwork } from "./request.ts";
import { NetworkStore, type StoredEndpoint, type StoredNetwork } from "./store.ts";
import {
  type Endpoint,
  type EndpointRequest,
  type NetworkCreate,
  NetworkError,
  type NetworkInfo,
  type Networks,
} from "./types.ts";

/** A dead namespace takes its interface with it within this time; what is still there then is removed by us. */
const SWEEP_AFTER_MS = 1000;

export class BridgeNetworks implements Networks {
  readonly #options: NetworkOptions;
  readonly #catalog = new Catalog();
  readonly #store: NetworkStore;
  readonly #ports = new HostPorts();
  readonly #pools: ReturnType<typeof parsePools>;
  readonly #kernel: Kernel;
  /** Endpoints whose interface is in the kernel. */
  readonly #attached = new Set<string>();
  /** Interfaces that ought to die with their container's namespace. */
  readonly #dying = new Set<string>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(config: NetworksConfig) {
    this.#options = config.network ?? {};
    const pools = this.#options.defaultAddressPools;
    this.#pools = parsePools(pools?.length ? pools : DEFAULT_POOLS);
    this.#store = new NetworkStore(config.dataRoot, config.execRoot);
    this.#kernel = new Kernel(this.#options, instanceOf(config.execRoot), () => this.#firewallState());
  }

  #firewallState(): FirewallState {
    return {
      bridges: this.#catalog.networks().flatMap(firewalled),
      ports: this.#catalog
        .endpoints()
        .filter(({ endpoint }) => this.#attached.has(endpoint.endpointId))
        .flatMap(publishedPorts),
    };
  }

  #save(): void {
    this.#store.saveNetworks(this.#catalog.stored());
  }

  async start(live: ReadonlySet<string>): Promise<void> {
    const { networks, endpoints } = this.#store.load();
    const stored = this.#loadPredefined(networks, endpoints, live);
    for (const network of stored) this.#catalog.add(network);
    if (JSON.stringify(stored) !== JSON.stringify(networks)) this.#save();
    for (const endpoint of endpoints) this.#takeUp(endpoint, live);
    if (!this.#catalog.networks().some(({ bridge }) => bridge)) return;
    this.#kernel.enableForwarding();
    for (const network of this.#catalog.networks()) this.#ensureAtStart(network);
    this.#restore();
    this.#kernel.firewall?.replace();
  }

  /** host, none and bridge are always there; what bridge is on this host is decided anew unless containers run on it. */
  #loadPredefined(
    networks: readonly StoredNetwork[],
    endpoints: readonly StoredEndpoint[],
    live: ReadonlySet<string>,
  ): StoredNetwork[] {
    const others = networks.filter(({ name }) => !PREDEFINED.has(name));
    const previous = (name: string) => networks.find((network) => network.name === name);
    const plain = (name: string, driver: "host" | "null"): StoredNetwork =>
      previous(name) ?? {
        id: newId(),
        name,
        driver,
        created: new Date().toISOString(),
        internal: false,
        options: {},
        labels: {},
      };
    const rest = [plain("host", "host"), plain("none", "null"), ...others];
    if (this.#options.bridge === "none") return rest;
    const last = previous("bridge");
    const subnets = new Catalog();
    for (const network of others) subnets.add(network);
    const bridge = electDefaultBridge({
      socket: this.#kernel.route,
      options: this.#options,
      instance: this.#kernel.instance,
      stored: last?.bridge,
      inUse: endpoints.some(
        ({ endpoint }) => endpoint.networkId === last?.id && live.has(endpoint.containerId),
      ),
      pools: this.#pools,
      taken: subnets.subnets(),
    });
    const yesNo = (value: boolean | undefined) => String(value !== false);
    const options: Record<string, string> = {
      [OPTION.defaultBridge]: "true",
      [OPTION.icc]: yesNo(this.#options.icc),
      [OPTION.masquerade]: yesNo(this.#options.ipMasq),
      [OPTION.hostBinding]: this.#options.ip || "0.0.0.0",
      [OPTION.name]: bridge.name,
      [OPTION.mtu]: String(this.#options.mtu || 1500),
    };
    const identity = last ?? { id: newId(), created: new Date().toISOString(), labels: {} };
    return [{ ...identity, name: "bridge", driver: "bridge", internal: false, options, bridge }, ...rest];
  }

  /** An endpoint from before: a live container's is taken up again, a dead one's forgotten. */
  #takeUp(stored: StoredEndpoint, live: ReadonlySet<string>): void {
    const { endpoint } = stored;
    const network = this.#catalog.byId(endpoint.networkId);
    if (!network || !live.has(endpoint.containerId)) {
      if (stored.hostInterface) this.#dying.add(stored.hostInterface);
      this.#store.removeEndpoint(endpoint.endpointId);
      return;
    }
    const address = parseAddress(endpoint.ipAddress);
    if (address !== undefined) network.bridge?.pool.claim(address);
    this.#ports.restore(stored.publications);
    this.#catalog.addEndpoint(stored);
  }

  /** The default bridge must be there; another network that cannot be made again (its parent went away) only says so. */
  #ensureAtStart(network: Network): void {
    try {
      this.#kernel.ensure(network);
    } catch (error) {
      if (network.stored.name === "bridge") {
        throw new Error(`error creating default "bridge" network: ${(error as Error).message}`, {
          cause: error,
        });
      }
      log("error", `network ${network.stored.name} cannot be brought up`, { error });
    }
  }

  /** Holds the kernel against the live endpoints; returns a line for each difference it saw to. */
  #restore(): string[] {
    const done: string[] = [];
    const interfaces = this.#kernel.interfaces();
    for (const { endpoint, hostInterface } of this.#catalog.endpoints()) {
      const index = this.#catalog.byId(endpoint.networkId)?.bridge?.index;
      if (index === undefined) continue;
      const link = interfaces.get(hostInterface);
      if (!link) {
        this.#attached.delete(endpoint.endpointId);
        log("warning", "a running container has lost its network interface; restart it to get one", {
          container: endpoint.containerId,
          network: endpoint.networkName,
        });
        continue;
      }
      this.#attached.add(endpoint.endpointId);
      if (link.master === index) continue;
      this.#kernel.route.request(setLink(link.index, { master: index, up: true }));
      done.push(`interface ${hostInterface} back on the bridge of network ${endpoint.networkName}`);
    }
    const ports = new Set(this.#catalog.endpoints().map(({ hostInterface }) => hostInterface));
    for (const name of this.#kernel.removeLeftovers(this.#catalog.networks(), ports)) {
      this.#dying.delete(name);
      done.push(`leftover interface ${name} removed`);
    }
    return done;
  }

  async reconcile(): Promise<string[]> {
    const done: string[] = [];
    const bridges = this.#catalog.networks().filter(({ bridge }) => bridge);
    if (bridges.length === 0) return done;
    const before = this.#kernel.interfaces();
    for (const network of bridges) {
      const missing = !before.has(network.bridge!.name);
      this.#kernel.ensure(network);
      if (missing) done.push(`bridge ${network.bridge!.name} of network ${network.stored.name}`);
    }
    done.push(...this.#restore());
    const { firewall } = this.#kernel;
    if (firewall && !firewall.intact()) {
      firewall.replace();
      done.push(`nftables table ip ${firewall.table}`);
    }
    return done;
  }

  list(): NetworkInfo[] {
    return this.#catalog.networks().map((network) => this.#catalog.info(network));
  }

  get(network: string): NetworkInfo {
    return this.#catalog.info(this.#catalog.find(network));
  }

  endpoints(containerId: string): Endpoint[] {
    return this.#catalog.endpointsOf(containerId).map(({ endpoint }) => endpoint);
  }

  async create(request: NetworkCreate): Promise<NetworkInfo> {
    const first = !this.#catalog.networks().some(({ bridge }) => bridge);
    const stored = planNetwork(this.#catalog, this.#kernel.route, this.#pools, request);
    const network = this.#catalog.add(stored);
    try {
      if (first) this.#kernel.enableForwarding();
      if (this.#kernel.interfaces().has(network.bridge!.name)) {
        throw new NetworkError(`interface ${network.bridge!.name} already exists on this host`, 403);
      }
      this.#kernel.ensure(network);
      for (const bridge of firewalled(network)) this.#kernel.firewall?.addBridge(bridge);
      this.#save();
    } catch (error) {
      this.#catalog.delete(stored.id);
      if (network.bridge?.index !== undefined) this.#undoCreate(network);
      throw error;
    }
    return this.#catalog.info(network);
  }

  #undoCreate(network: Network): void {
    const steps = [() => this.#kernel.remove(network), () => this.#kernel.firewall?.replace()];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        log("warning", `undoing the creation of network ${network.stored.name}`, { error });
      }
    }
  }

  async remove(name: string): Promise<void> {
    const network = this.#catalog.find(name);
    const { stored } = network;
    if (PREDEFINED.has(stored.name)) {
      throw new NetworkError(`${stored.name} is a pre-defined network and cannot be removed`, 403);
    }
    const users = this.#catalog.endpointsOn(stored.id);
    if (users.length > 0) {
      const names = users.map(
        ({ endpoint }) => `name:"${endpoint.containerName}" id:"${endpoint.endpointId.slice(0, 12)}"`,
      );
      throw new NetworkError(
        `error while removing network: network ${stored.name} has active endpoints (${names.join(", ")})`,
        403,
      );
    }
    this.#catalog.delete(stored.id);
    // Off the record first: a bridge without a network is a leftover, a network without a bridge a promise.
    try {
      this.#save();
    } catch (error) {
      this.#catalog.add(stored);
      throw error;
    }
    this.#goOn(`network ${stored.name}`, [
      () => {
        for (const bridge of firewalled(network)) this.#kernel.firewall?.removeBridge(bridge);
      },
      () => this.#kernel.remove(network),
    ]);
  }

  /** Runs every step whatever the others do; throws one error that tells all that went wrong. */
  #goOn(what: string, steps: readonly (() => void)[]): void {
    const errors: Error[] = [];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        errors.push(error instanceof Error ? error : new Error(String(error)));
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) {
      throw new AggregateError(errors, `${what}: ${errors.map(({ message }) => message).join("; ")}`);
    }
  }

  async allocate(request: EndpointRequest): Promise<Endpoint> {
    // With --bridge=none there is no default network, and containers that ask for it get none at all.
    const name = request.network === "bridge" && this.#options.bridge === "none" ? "none" : request.network;
    const network = this.#catalog.find(name);
    const isDefault = network.stored.name === "bridge";
    if (network.bridge && request.ports.length > 0 && this.#options.iptables === false) {
      throw new NetworkError("publishing ports needs nftables, which --iptables=false turns off", 400);
    }
    const gateway =
      isDefault && this.#options.defaultGateway ? parseAddress(this.#options.defaultGateway) : undefined;
    const stored = planEndpoint(this.#catalog, this.#ports, network, request, {
      hostIp: this.#options.ip,
      gateway,
    });
    this.#catalog.addEndpoint(stored);
    try {
      this.#store.saveEndpoint(stored);
    } catch (error) {
      this.#forget(stored);
      throw error;
    }
    return stored.endpoint;
  }

  #forget(stored: StoredEndpoint): void {
    const { endpoint } = stored;
    this.#attached.delete(endpoint.endpointId);
    this.#catalog.deleteEndpoint(endpoint.endpointId);
    this.#ports.release(stored.publications);
    const address = parseAddress(endpoint.ipAddress);
    if (address !== undefined) this.#catalog.byId(endpoint.networkId)?.bridge?.pool.free(address);
  }

  async attach(endpointId: string, netns: string): Promise<void> {
    const stored = this.#catalog.endpoint(endpointId);
    const network = stored && this.#catalog.byId(stored.endpoint.networkId);
    if (!stored || !network) throw new NetworkError(`endpoint ${endpointId} not found`, 404);
    if (network.stored.driver === "host") return;
    if (!network.bridge) return attachLoopback(netns);
    if (network.bridge.index === undefined) this.#kernel.ensure(network);
    const hasRoute = this.#catalog
      .endpointsOf(stored.endpoint.containerId)
      .some(({ endpoint }) => this.#attached.has(endpoint.endpointId) && endpoint.gateway !== "");
    attachInterface(this.#kernel.route, netns, interfaceOf(network, stored, hasRoute, this.#options.mtu));
    this.#attached.add(endpointId);
    if (stored.publications.length === 0) return;
    try {
      this.#kernel.firewall?.publish(publishedPorts(stored));
    } catch (error) {
      this.#attached.delete(endpointId);
      removeInterface(this.#kernel.route, stored.hostInterface);
      throw portFailure(stored.endpoint, endpointId, error);
    }
  }

  async release(endpointId: string, options: { live?: boolean } = {}): Promise<void> {
    const stored = this.#catalog.endpoint(endpointId);
    if (!stored) return;
    const network = this.#catalog.byId(stored.endpoint.networkId);
    const attached = this.#attached.has(endpointId);
    this.#forget(stored);
    const { route } = attached && network?.bridge ? this.#kernel : { route: undefined };
    this.#goOn(`releasing endpoint ${stored.endpoint.containerName} (${endpointId})`, [
      () => this.#store.removeEndpoint(endpointId),
      () => {
        if (attached && stored.publications.length > 0)
          this.#kernel.firewall?.unpublish(publishedPorts(stored));
      },
      () => {
        if (!route || !network?.bridge?.index) return;
        if (options.live) return removeInterface(route, stored.hostInterface);
        this.#expectDeath(stored.hostInterface);
        forgetInterface(route, {
          hostName: stored.hostInterface,
          bridge: network.bridge.index,
          mac: parseMac(stored.endpoint.macAddress)!,
          address: parseAddress(stored.endpoint.ipAddress)!,
          customMac: stored.customMac,
        });
      },
    ]);
  }

  #expectDeath(hostInterface: string): void {
    this.#dying.add(hostInterface);
    this.#sweep ??= setTimeout(() => this.#sweepDying(), SWEEP_AFTER_MS);
    this.#sweep.unref();
  }

  #sweepDying(): void {
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
    if (this.#dying.size === 0) return;
    const present = this.#kernel.interfaces();
    for (const name of this.#dying) {
      try {
        if (present.has(name)) removeInterface(this.#kernel.route, name);
      } catch (error) {
        log("warning", `cannot remove the interface ${name} of a container that is gone`, { error });
      }
    }
    this.#dying.clear();
  }

  async stop(): Promise<void> {
    try {
      this.#sweepDying();
    } finally {
      this.#ports.close();
      this.#kernel[Symbol.dispose]();
    }
  }
}
