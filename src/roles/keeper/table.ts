// Who is called what, from the endpoint files: the keeper's whole knowledge. A file that vanished is an endpoint that ended.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../../ffi/errno.ts";
import { log } from "../../observe/log.ts";
import type { EndpointFile } from "../../wire/keeper/record.ts";

const ID = /^[0-9a-f]{64}$/;

export class Table {
  readonly #endpoints = new Map<string, EndpointFile>();
  /** Network id → lower-case name → endpoint ids. */
  readonly #names = new Map<string, Map<string, Set<string>>>();

  /** @param directory of the endpoint files */
  constructor(readonly directory: string) {}

  /** Reads everything again; returns the ids of all there was and is. */
  reload(): string[] {
    const before = [...this.#endpoints.keys()];
    let names: string[] = [];
    try {
      names = readdirSync(this.directory);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    const now = names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));
    const ids = [...new Set([...before, ...now.filter((id) => ID.test(id))])];
    for (const id of ids) this.read(id);
    return ids;
  }

  /** Takes up what one endpoint's file says now. */
  read(id: string): void {
    this.#forget(id);
    if (!ID.test(id)) return;
    try {
      const file = JSON.parse(readFileSync(join(this.directory, `${id}.json`), "utf8")) as EndpointFile;
      this.#endpoints.set(id, file);
      for (const name of file.endpoint.dnsNames) this.#add(file.endpoint.networkId, name, id);
    } catch (error) {
      if (!isErrno(error, "ENOENT"))
        log("error", "an endpoint's file cannot be read", { endpoint: id, error });
    }
  }

  #forget(id: string): void {
    const file = this.#endpoints.get(id);
    if (!file) return;
    this.#endpoints.delete(id);
    const names = this.#names.get(file.endpoint.networkId);
    for (const name of file.endpoint.dnsNames) {
      const ids = names?.get(name.toLowerCase());
      ids?.delete(id);
      if (ids?.size === 0) names?.delete(name.toLowerCase());
    }
    if (names?.size === 0) this.#names.delete(file.endpoint.networkId);
  }

  #add(networkId: string, name: string, id: string): void {
    const names = this.#names.get(networkId) ?? new Map<string, Set<string>>();
    this.#names.set(networkId, names);
    const key = name.toLowerCase();
    names.set(key, (names.get(key) ?? new Set<string>()).add(id));
  }

  get(id: string): EndpointFile | undefined {
    return this.#endpoints.get(id);
  }

  all(): EndpointFile[] {
    return [...this.#endpoints.values()];
  }

  /** Endpoints of a container. */
  ofContainer(containerId: string): EndpointFile[] {
    return this.all().filter(({ endpoint }) => endpoint.containerId === containerId);
  }

  /** Everybody with that name on the network. */
  named(networkId: string, name: string): EndpointFile[] {
    return [...(this.#names.get(networkId)?.get(name.toLowerCase()) ?? [])].flatMap(
      (id) => this.#endpoints.get(id) ?? [],
    );
  }
}
