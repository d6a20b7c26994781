// All containers of this engine, by id and by name.
import { ApiError, conflict, notFound } from "../errors.ts";
import type { Container } from "./container.ts";

export class Registry {
  readonly #byId = new Map<string, Container>();
  /** Name without slash → id. A name is taken before its container is there, so that two creations cannot both have it. */
  readonly #names = new Map<string, string>();
  #sorted: readonly Container[] | undefined;

  /** Newest first, as `docker ps` lists them. */
  list(): readonly Container[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => (a.record.Created < b.record.Created ? 1 : -1));
    return this.#sorted;
  }

  get size(): number {
    return this.#byId.size;
  }

  add(container: Container): void {
    this.#sorted = undefined;
    this.#byId.set(container.id, container);
  }

  delete(container: Container): void {
    this.#sorted = undefined;
    this.#byId.delete(container.id);
    if (this.#names.get(container.name) === container.id) this.#names.delete(container.name);
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** By id, name (with or without slash) or unambiguous id prefix. ApiError 404 "No such container: x". */
  get(reference: string): Container {
    return this.find(reference) ?? fail(notFound(`No such container: ${reference}`));
  }

  /** As `get`, undefined when there is none. ApiError 400 for an ambiguous prefix. */
  find(reference: string): Container | undefined {
    if (reference === "") return undefined;
    const exact = this.#byId.get(reference);
    if (exact) return exact;
    const named = this.#names.get(reference.replace(/^\//, ""));
    if (named !== undefined) return this.#byId.get(named);
    if (!/^[0-9a-f]{1,63}$/.test(reference)) return undefined;
    const matches = [...this.#byId.keys()].filter((id) => id.startsWith(reference));
    if (matches.length > 1) {
      throw new ApiError(400, `Multiple IDs found with provided prefix: ${reference}`);
    }
    return matches[0] === undefined ? undefined : this.#byId.get(matches[0]);
  }

  nameTaken(name: string): boolean {
    return this.#names.has(name);
  }

  /** ApiError 409 with docker's words when another container has the name. */
  reserve(name: string, id: string): void {
    const owner = this.#names.get(name);
    if (owner === id) return;
    if (owner !== undefined) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    this.#names.set(name, id);
  }

  release(name: string, id: string): void {
    if (this.#names.get(name) === id) this.#names.delete(name);
  }
}

function fail(error: Error): never {
  throw error;
}
