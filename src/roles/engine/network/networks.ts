// The engine's networks, put together: bookkeeping first, then the kernel; on the way back the kernel first. Every method does its
// work without awaiting, so no two of them can meet half-way.
import { log } from "../../../observe/log.ts";
import { parseAddress } from "./address.ts";
import { Attachments } from "./attachments.ts";
import { Catalog, firewalled, type Network } from "./catalog.ts";
import { planEndpoint } from "./endpoint.ts";
import { Kernel } from "./kernel.ts";
import { instanceOf, type NetworkOptions, type NetworksConfig } from "./options.ts";
import { DEFAULT_POOLS, parsePools } from "./pools.ts";
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
  readonly #pools: ReturnType<typeof parsePools>;
  readonly #kernel: Kernel;
  readonly #attachments: Attachments;

  constructor(config: NetworksConfig) {
    this.#options = config.network ?? {};
    const pools = this.#options.defaultAddressPools;
    this.#pools = parsePools(pools?.length ? pools : DEFAULT_POOLS);
    this.#store = new NetworkStore(config.dataRoot, config.execRoot);
    this.#kernel = new Kernel(this.#options, instanceOf(config.execRoot), () => ({
      bridges: this.#catalog.networks().flatMap(firewalled),
      ports: this.#attachments.publishedPorts(),
    }));
    this.#attachments = new Attachments(this.#catalog, this.#kernel);
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
    if (!this.#catalog.networks().some(({ bridge }) => bridge)) return;
    this.#kernel.enableForwarding();
    for (const network of this.#catalog.networks()) this.#ensureAtStart(network);
    this.#attachments.restore();
    this.#kernel.firewall?.replace();
  }

  /** An endpoint from before: a live container's is taken up again, a dead one's forgotten. */
  #takeUp(stored: StoredEndpoint, live: ReadonlySet<string>): void {
    const { endpoint } = stored;
    const network = this.#catalog.byId(endpoint.networkId);
    if (!network || !live.has(endpoint.containerId)) {
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
    done.push(...this.#attachments.restore());
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
      hostIp: this.#options.ip || undefined,
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
    this.#catalog.deleteEndpoint(endpoint.endpointId);
    this.#ports.release(stored.publications);
    const address = parseAddress(endpoint.ipAddress);
    if (address !== undefined) this.#catalog.byId(endpoint.networkId)?.bridge?.pool.free(address);
  }

  async attach(endpointId: string, netns: string): Promise<void> {
    const stored = this.#catalog.endpoint(endpointId);
    const network = stored && this.#catalog.byId(stored.endpoint.networkId);
    if (!stored || !network) throw new NetworkError(`endpoint ${endpointId} not found`, 404);
    this.#attachments.attach(stored, network, netns);
  }

  async release(endpointId: string, options: { live?: boolean } = {}): Promise<void> {
    const stored = this.#catalog.endpoint(endpointId);
    if (!stored) return;
    const network = this.#catalog.byId(stored.endpoint.networkId);
    this.#forget(stored);
    this.#goOn(`releasing endpoint ${stored.endpoint.containerName} (${endpointId})`, [
      () => this.#store.removeEndpoint(endpointId),
      ...this.#attachments.detach(stored, network, options.live ?? false),
    ]);
  }

  async stop(): Promise<void> {
    try {
      this.#attachments.sweep();
      // An engine with an exec-root of its own is somebody's experiment: with its last container all of it goes.
      if (!this.#kernel.instance.isDefault && this.#catalog.endpoints().length === 0) {
        this.#kernel.removeAll(this.#catalog.networks());
      }
    } finally {
      this.#ports.close();
      this.#kernel[Symbol.dispose]();
    }
  }
}
