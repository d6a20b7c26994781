// Holds what the keeper does against what the table says: a resolver for each container that has one, a relay for each port.
import { existsSync, readlinkSync } from "node:fs";
import { log } from "../../observe/log.ts";
import type { EndpointFile, RelayRecord } from "../../wire/keeper/record.ts";
import { openRelay, type Relay } from "./relay.ts";
import { Resolver } from "./resolver.ts";
import { Table } from "./table.ts";

const relayKey = (relay: RelayRecord) => JSON.stringify(relay);

/** The namespace behind the path, as long as its process lives. */
function alive(netns: string): boolean {
  try {
    readlinkSync(netns);
    return true;
  } catch {
    return false;
  }
}

export class Keep {
  readonly #table: Table;
  readonly #resolvers = new Map<string, Resolver>();
  readonly #relays = new Map<string, Relay>();

  constructor(directory: string) {
    this.#table = new Table(directory);
  }

  /** Nothing to do here any more. */
  get idle(): boolean {
    return this.#resolvers.size === 0 && this.#relays.size === 0;
  }

  async reload(): Promise<void> {
    await this.changed(this.#table.reload());
  }

  /** These endpoints' files are to be read again. Throws after all of them were tried. */
  async changed(ids: readonly string[]): Promise<void> {
    const containers = new Set<string>();
    const note = (id: string) => {
      const file = this.#table.get(id);
      if (file) containers.add(file.endpoint.containerId);
    };
    for (const id of ids) {
      note(id);
      this.#table.read(id);
      note(id);
    }
    const errors: string[] = [];
    for (const container of containers) {
      try {
        await this.#settleResolver(container, this.#table.ofContainer(container));
      } catch (error) {
        errors.push(`resolver of container ${container.slice(0, 12)}: ${(error as Error).message}`);
      }
    }
    errors.push(...(await this.#settleRelays()));
    if (errors.length > 0) throw new Error(errors.join("; "));
  }

  async #settleResolver(containerId: string, endpoints: readonly EndpointFile[]): Promise<void> {
    const wanted = endpoints.find(({ resolver, netns }) => resolver && netns !== undefined)?.netns;
    const present = this.#resolvers.get(containerId);
    if (present && present.netns === wanted && alive(wanted)) return;
    present?.close();
    this.#resolvers.delete(containerId);
    if (wanted === undefined || !alive(wanted)) return;
    const resolver = new Resolver(containerId, wanted, this.#table);
    this.#resolvers.set(containerId, resolver);
    try {
      await resolver.open();
    } catch (error) {
      resolver.close();
      this.#resolvers.delete(containerId);
      throw error;
    }
  }

  async #settleRelays(): Promise<string[]> {
    const wanted = new Map<string, RelayRecord>();
    for (const { relays, netns } of this.#table.all()) {
      // Few have any, and to look whether a container lives costs a system call.
      if (!relays?.length || netns === undefined || !alive(netns)) continue;
      for (const relay of relays) wanted.set(relayKey(relay), relay);
    }
    for (const [key, relay] of this.#relays) {
      if (wanted.has(key)) continue;
      relay.close();
      this.#relays.delete(key);
    }
    const errors: string[] = [];
    for (const [key, record] of wanted) {
      if (this.#relays.has(key)) continue;
      try {
        this.#relays.set(key, await openRelay(record));
      } catch (error) {
        errors.push(`[${record.hostIp}]:${record.hostPort}/${record.protocol}: ${(error as Error).message}`);
      }
    }
    return errors;
  }

  /**
   * A socket keeps its network namespace alive: those of containers that ended with nobody to say so are let go, and their
   * ports too. True when nothing is left, or nobody can say any more what there should be.
   */
  async letGo(): Promise<boolean> {
    if (!existsSync(this.#table.directory)) this.close();
    for (const [containerId, resolver] of this.#resolvers) {
      if (alive(resolver.netns)) continue;
      log("info", "container ended while no engine was there", { container: containerId });
      resolver.close();
      this.#resolvers.delete(containerId);
    }
    if (this.#table.all().some(({ relays, netns }) => relays?.length && netns && !alive(netns))) {
      await this.#settleRelays();
    }
    return this.idle;
  }

  close(): void {
    for (const resolver of this.#resolvers.values()) resolver.close();
    for (const relay of this.#relays.values()) relay.close();
    this.#resolvers.clear();
    this.#relays.clear();
  }
}
