// The engine's networks, put together: bookkeeping first, then the kernel; on the way back the kernel first. What is done to
// books and kernel is done without awaiting, so no two calls can meet half-way; only the keeper's answer is waited for.

import { log } from "../../../observe/log.ts";
import type { NetworkExplanation } from "../../../spec/engine/network-explain.ts";
import { parseAddress } from "./address.ts";
import { Attachments } from "./attachments.ts";
import { Catalog, firewalled, type Network } from "./catalog.ts";
import { dnsNamesOf, planEndpoint, portMap, relayedPorts } from "./endpoint.ts";
import { explain } from "./explain.ts";
import { gatewayOf } from "./gateway.ts";
import { Keeper } from "./keeper.ts";
import { Kernel } from "./kernel.ts";
import { instanceOf, type NetworkOptions, type NetworksConfig } from "./options.ts";
import { configuredPools, type Pool } from "./pools.ts";
import { HostPorts } from "./ports.ts";
import { withPredefined } from "./predefined.ts";
import { PREDEFINED, planNetwork } from "./request.ts";
import { NetworkStore, type StoredEndpoint } from "./store.ts";
import {
  type Endpoint,
  type EndpointRequest,
  type NetworkCreate,
  NetworkError,
  type NetworkInfo,
  type Networks,
} from "./types.ts";

export class BridgeNetworks implements Networks {
  readonly #options: NetworkOptions;
  readonly #catalog = new Catalog();
  readonly #store: NetworkStore;
  readonly #ports = new HostPorts();
  readonly #pools: readonly Pool[];
  readonly #kernel: Kernel;
  readonly #attachments: Attachments;
  readonly #keeper: Keeper;

  constructor(config: NetworksConfig) {
    this.#options = config.network ?? {};
    this.#pools = configuredPools(this.#options.defaultAddressPools, config.dataRoot);
    this.#store = new NetworkStore(config.dataRoot, config.execRoot);
    this.#kernel = new Kernel(this.#options, instanceOf(config.execRoot), () => ({
      bridges: this.#catalog.networks().flatMap(firewalled),
      ports: this.#attachments.publishedPorts(),
    }));
    this.#attachments = new Attachments(this.#catalog, this.#kernel);
    this.#keeper = new Keeper(config.execRoot);
  }

  #save(): void {
    this.#store.saveNetworks(this.#catalog.stored());
  }

  async start(live: ReadonlySet<string>): Promise<void> {
    const { networks, endpoints, complete } = this.#store.load();
    const stored = withPredefined(networks, endpoints, live, this.#kernel, this.#pools);
    for (const network of stored) this.#catalog.add(network);
    if (!complete || JSON.stringify(stored) !== JSON.stringify(networks)) this.#save();
    for (const endpoint of endpoints) this.#takeUp(endpoint, live);
    await this.#keeper.start(this.#catalog.endpoints().some(needsKeeper));
    if (!this.#catalog.networks().some((network) => network.bridge || network.stored.parent)) return;
    this.#kernel.enableForwarding(this.#catalog.networks());
    for (const network of this.#catalog.networks()) this.#ensureAtStart(network);
    this.#attachments.restore();
    this.#kernel.firewall?.replace();
    this.#kernel.watch({ rules: () => this.reconcile(), interfaces: () => this.#mendInterfaces() });
  }

  /** An endpoint from before: a live container's is taken up again, a dead one's forgotten. */
  #takeUp(stored: StoredEndpoint, live: ReadonlySet<string>): void {
    const { endpoint } = stored;
    const network = this.#catalog.byId(endpoint.networkId);
    if (!network || !live.has(endpoint.containerId)) {
      this.#store.removeEndpoint(endpoint.endpointId);
      return;
    }
    for (const text of [endpoint.ipAddress, endpoint.ip6Address]) {
      const address = parseAddress(text);
      if (address) for (const block of network.blocks) block.pool.claim(address);
    }
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

  async reconcile(): Promise<string[]> {
    const bridges = this.#catalog.networks().filter(({ bridge }) => bridge);
    if (bridges.length === 0) return [];
    const done: string[] = [];
    const before = this.#kernel.interfaces();
    for (const network of bridges) {
      const missing = !before.has(network.bridge!.name);
      this.#kernel.ensure(network);
      if (missing) done.push(`bridge ${network.bridge!.name} of network ${network.stored.name}`);
    }
    done.push(...this.#attachments.restore());
    return [...done, ...this.#kernel.mendFirewall()];
  }

  /** After each change of any interface: a look, and more only where something of ours is missing. */
  async #mendInterfaces(): Promise<string[]> {
    const present = this.#kernel.interfaces();
    const bridges = this.#catalog.networks().flatMap(({ bridge }) => (bridge ? [bridge.name] : []));
    const wanted = [...bridges, ...this.#attachments.hostInterfaces()];
    return wanted.every((name) => present.has(name)) ? [] : this.reconcile();
  }

  list(): NetworkInfo[] {
    return this.#catalog.networks().map((network) => this.#catalog.info(network));
  }

  idOf(network: string): string | undefined {
    try {
      return this.#catalog.find(network).stored.id;
    } catch {
      return undefined;
    }
  }

  get(network: string): NetworkInfo {
    return this.#catalog.info(this.#catalog.find(network));
  }

  endpoints(containerId: string): Endpoint[] {
    return this.#catalog.endpointsOf(containerId).map(({ endpoint }) => endpoint);
  }

  async explain(containerId?: string): Promise<NetworkExplanation> {
    return explain(this.#catalog, this.#attachments, this.#kernel, containerId);
  }

  async create(request: NetworkCreate): Promise<NetworkInfo> {
    const context = {
      catalog: this.#catalog,
      socket: this.#kernel.route,
      pools: this.#pools,
      options: this.#options,
    };
    const stored = planNetwork(context, request);
    const network = this.#catalog.add(stored);
    try {
      this.#kernel.enableForwarding([network]);
      if (network.bridge && this.#kernel.interfaces().has(network.bridge.name)) {
        throw new NetworkError(`interface ${network.bridge.name} already exists on this host`, 403);
      }
      this.#kernel.ensure(network);
      for (const bridge of firewalled(network)) this.#kernel.addBridge(bridge);
      this.#save();
    } catch (error) {
      this.#catalog.delete(stored.id);
      if (network.bridge?.index !== undefined || stored.parent?.made) this.#undoCreate(network);
      throw error;
    }
    return this.#catalog.info(network);
  }

  #undoCreate(network: Network): void {
    const steps = [
      () => this.#kernel.remove(network, this.#catalog.networks()),
      () => this.#kernel.firewall?.replace(),
    ];
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
    const heirs = this.#catalog.networks().filter((other) => other.stored.configFrom === stored.name);
    if (stored.configOnly && heirs.length > 0) {
      throw new NetworkError(`configuration network ${stored.name} is in use`, 403);
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
        for (const bridge of firewalled(network)) this.#kernel.removeBridge(bridge);
      },
      () => this.#kernel.remove(network, this.#catalog.networks()),
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
    const stored = planEndpoint(
      {
        catalog: this.#catalog,
        ports: this.#ports,
        gateways: isDefault ? { v4: this.#options.defaultGateway, v6: this.#options.defaultGateway6 } : {},
        defaults: {
          hostIp: this.#options.defaultPublishAddress || "0.0.0.0",
          relay: this.#options.userlandProxy !== false,
        },
      },
      network,
      request,
    );
    this.#catalog.addEndpoint(stored);
    try {
      this.#store.saveEndpoint(stored);
    } catch (error) {
      this.#forget(stored);
      throw error;
    }
    this.#settlePorts(request.containerId);
    return stored.endpoint;
  }

  /** Gives the container's published ports to the network that leads out. */
  #settlePorts(containerId: string): void {
    const all = this.#catalog.endpointsOf(containerId);
    const from = all.find(({ publications }) => publications.length > 0);
    const best = gatewayOf(
      all.flatMap((stored) => {
        const network = this.#catalog.byId(stored.endpoint.networkId);
        return network?.bridge ? [{ stored, network }] : [];
      }),
    )?.stored;
    if (!from || !best || from === best) return;
    // A port that only one of the two families can serve stays where it is served.
    const serves = from.publications.every(({ hostIp, relay }) =>
      relay ? true : hostIp.includes(":") ? best.endpoint.ip6Address !== "" : best.endpoint.ipAddress !== "",
    );
    if (!serves) return;
    this.#movePorts(from, best);
  }

  #movePorts(from: StoredEndpoint, to: StoredEndpoint): void {
    const before = structuredClone(from);
    to.publications = from.publications;
    to.endpoint.ports = portMap(to.publications);
    from.publications = [];
    from.endpoint.ports = {};
    this.#attachments.movePorts([before], [to]);
    for (const stored of [from, to]) {
      if (stored.relays) stored.relays = relayedPorts(stored);
      this.#store.saveEndpoint(stored);
    }
  }

  #forget(stored: StoredEndpoint): void {
    const { endpoint } = stored;
    this.#catalog.deleteEndpoint(endpoint.endpointId);
    this.#ports.release(stored.publications);
    const network = this.#catalog.byId(endpoint.networkId);
    for (const text of [endpoint.ipAddress, endpoint.ip6Address]) {
      const address = parseAddress(text);
      if (address && network) for (const block of network.blocks) block.pool.free(address);
    }
  }

  async attach(endpointId: string, netns: string): Promise<void> {
    const stored = this.#catalog.endpoint(endpointId);
    const network = stored && this.#catalog.byId(stored.endpoint.networkId);
    if (!stored || !network) throw new NetworkError(`endpoint ${endpointId} not found`, 404);
    this.#attachments.attach(stored, network, netns);
    stored.netns = netns;
    stored.relays = relayedPorts(stored);
    this.#ports.handOver(stored.publications);
    this.#store.saveEndpoint(stored);
    if (!needsKeeper(stored)) return;
    const told = this.#keeper.changed([endpointId]);
    // Names are asked for by the container's first program; a port's second family can be a moment late.
    if (stored.resolver) await told;
  }

  async release(endpointId: string, options: { live?: boolean } = {}): Promise<void> {
    const stored = this.#catalog.endpoint(endpointId);
    if (!stored) return;
    const live = options.live ?? false;
    const network = this.#catalog.byId(stored.endpoint.networkId);
    const { containerId, containerName } = stored.endpoint;
    const heir = live && stored.publications.length > 0 ? this.#heir(stored) : undefined;
    if (heir) this.#movePorts(stored, heir);
    this.#forget(stored);
    try {
      this.#goOn(`releasing endpoint ${containerName} (${endpointId})`, [
        () => this.#store.removeEndpoint(endpointId),
        ...this.#attachments.detach(stored, network, live),
      ]);
    } finally {
      const rest = heir ? [heir.endpoint.endpointId] : [];
      if (needsKeeper(stored) || heir) await this.#keeper.changed([endpointId, ...rest]);
    }
    if (live) this.#settlePorts(containerId);
  }

  /** The endpoint that takes over the ports of one that its container leaves. */
  #heir(leaving: StoredEndpoint): StoredEndpoint | undefined {
    return gatewayOf(
      this.#catalog.endpointsOf(leaving.endpoint.containerId).flatMap((stored) => {
        const network = this.#catalog.byId(stored.endpoint.networkId);
        return stored !== leaving && network?.bridge ? [{ stored, network }] : [];
      }),
    )?.stored;
  }

  async rename(containerId: string, name: string): Promise<void> {
    const changed: string[] = [];
    for (const stored of this.#catalog.endpointsOf(containerId)) {
      const { endpoint } = stored;
      const network = this.#catalog.byId(endpoint.networkId);
      endpoint.containerName = name;
      if (network)
        endpoint.dnsNames = dnsNamesOf(network, name, containerId, endpoint.aliases, stored.hostname);
      this.#store.saveEndpoint(stored);
      if (needsKeeper(stored)) changed.push(endpoint.endpointId);
    }
    if (changed.length > 0) await this.#keeper.changed(changed);
  }

  async stop(): Promise<void> {
    try {
      this.#attachments.sweep();
      // An engine with an exec-root of its own is somebody's experiment: with its last container all of it goes.
      if (!this.#kernel.instance.isDefault && this.#catalog.endpoints().length === 0) {
        this.#kernel.removeAll(this.#catalog.networks());
      }
    } finally {
      await this.#keeper.stop(this.#catalog.endpoints().some(needsKeeper));
      this.#ports.close();
      this.#kernel[Symbol.dispose]();
    }
  }
}

/** Whether the keeper has to know of it. */
const needsKeeper = ({ resolver, relays }: StoredEndpoint): boolean =>
  resolver !== undefined || (relays?.length ?? 0) > 0;
