// What outlives the engine: networks in one durable file, endpoints in a file each. A container's endpoint ends with the
// container, and no container outlives a reboot, so endpoints lie below the exec-root and are not fsynced: they only have to
// survive the engine's own death.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";
import { log } from "../../../observe/log.ts";
import { sweepTemporaries, writeAtomic } from "../../../store/atomic.ts";
import { ENDPOINTS, type EndpointFile } from "../../../wire/keeper/record.ts";
import type { Publication } from "./ports.ts";
import type { Endpoint, IpamPool, NetworkInfo } from "./types.ts";

export interface StoredNetwork {
  id: string;
  name: string;
  /** "" of one that only holds a configuration. */
  driver: NetworkInfo["driver"];
  /** RFC 3339. */
  created: string;
  internal: boolean;
  attachable: boolean;
  ipv4: boolean;
  ipv6: boolean;
  ipamDriver: string;
  ipamOptions: Record<string, string> | null;
  options: Record<string, string>;
  labels: Record<string, string>;
  configOnly: boolean;
  configFrom: string;
  /** At most one of each family. */
  pools: IpamPool[];
  /** Of bridge networks. */
  bridge?: {
    /** Interface name. */
    name: string;
    /** The interface is the user's: never made or removed by us. */
    foreign?: boolean;
  };
  /** Of macvlan and ipvlan networks. */
  parent?: {
    /** The interface below. */
    name: string;
    /** It is ours: a VLAN of `name`'s first part, or (`dummy`) a device that leads nowhere. */
    made?: "vlan" | "dummy";
  };
}

export interface StoredEndpoint extends EndpointFile {
  endpoint: Endpoint;
  publications: Publication[];
  /** Inside the container: eth0, eth1 … */
  interfaceName: string;
  /** The bridge's port on the host; "" where the interface has no end there. */
  hostInterface: string;
  /** The MAC was asked for, or made up, and does not follow from the address. */
  customMac: boolean;
  /** Further addresses on the link. */
  linkLocal: string[];
  driverOpts: Record<string, string>;
  /** Where it is one of the container's names. */
  hostname?: string;
}

/** What a file holds; a damaged one, or one that is not `whole`, is set aside so that the engine starts all the same. */
function readJson<T>(path: string, whole: (value: T) => boolean = () => true): T | undefined {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as T;
    if (!whole(value)) throw new Error("it is not in the form that this version writes");
    return value;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    const aside = `${path}.damaged`;
    log("warning", `cannot read ${path}, which is set aside as ${aside}`, { error });
    try {
      renameSync(path, aside);
    } catch {
      // A read-only directory: the next start says the same again.
    }
    return undefined;
  }
}

const ofThisForm = ({ networks }: { networks?: Partial<StoredNetwork>[] }): boolean =>
  Array.isArray(networks) && networks.every(({ pools }) => Array.isArray(pools));

const ID = /^[0-9a-f]{64}$/;

export class NetworkStore {
  readonly #networks: string;
  /** The same again below the exec-root: running containers need their networks even when the disk lost the record. */
  readonly #copy: string;
  readonly #endpoints: string;

  constructor(dataRoot: string, execRoot: string) {
    this.#networks = join(dataRoot, "network", "networks.json");
    this.#copy = join(execRoot, "network", "networks.json");
    this.#endpoints = join(execRoot, ENDPOINTS);
  }

  /** Reads everything; what cannot be read is set aside with a warning. `complete`: both copies of the networks are there. */
  load(): { networks: StoredNetwork[]; endpoints: StoredEndpoint[]; complete: boolean } {
    mkdirSync(join(this.#networks, ".."), { recursive: true, mode: 0o711 });
    mkdirSync(this.#endpoints, { recursive: true, mode: 0o711 });
    sweepTemporaries(join(this.#networks, ".."));
    sweepTemporaries(this.#endpoints);
    sweepTemporaries(join(this.#copy, ".."));
    const read = (path: string) => readJson<{ networks: StoredNetwork[] }>(path, ofThisForm)?.networks;
    const [record, copy] = [read(this.#networks), read(this.#copy)];
    const endpoints: StoredEndpoint[] = [];
    for (const name of readdirSync(this.#endpoints)) {
      if (!name.endsWith(".json") || !ID.test(name.slice(0, -5))) continue;
      const stored = readJson<StoredEndpoint>(join(this.#endpoints, name));
      if (stored) endpoints.push(stored);
    }
    return { networks: record ?? copy ?? [], endpoints, complete: Boolean(record && copy) };
  }

  saveNetworks(networks: readonly StoredNetwork[]): void {
    const text = `${JSON.stringify({ version: 1, networks }, null, 2)}\n`;
    writeAtomic(this.#networks, text);
    writeAtomic(this.#copy, text, { durable: false });
  }

  saveEndpoint(stored: StoredEndpoint): void {
    writeAtomic(join(this.#endpoints, `${stored.endpoint.endpointId}.json`), JSON.stringify(stored), {
      durable: false,
    });
  }

  removeEndpoint(endpointId: string): void {
    rmSync(join(this.#endpoints, `${endpointId}.json`), { force: true });
  }
}
