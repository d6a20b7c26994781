// Swarm mode of this one node: what it is, and what is kept in it, as a file that outlives the engine. There is no network
// behind it: no other node can join, and there are no services.
import { readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { log } from "../../../observe/log.ts";
import { writeAtomic } from "../../../store/atomic.ts";
import { ApiError, badRequest, notFound, unavailable } from "../errors.ts";
import { newId, newToken } from "./ids.ts";

const labels = z.record(z.string(), z.string());
const meta = { ID: z.string(), Version: z.number(), CreatedAt: z.string(), UpdatedAt: z.string() };

/** A secret or a config. `Data` is base64. */
const kept = z.object({ ...meta, Name: z.string(), Labels: labels, Data: z.string() });
export type Kept = z.output<typeof kept>;
export type Noun = "secret" | "config";

const state = z.object({
  /** Counts every change; objects carry the count of their last one. */
  index: z.number(),
  cluster: z.object({
    ...meta,
    Spec: z.looseObject({ Name: z.string(), Labels: labels }),
    worker: z.string(),
    manager: z.string(),
  }),
  node: z.object({
    ...meta,
    address: z.string(),
    Name: z.string(),
    Labels: labels,
    Availability: z.enum(["active", "pause", "drain"]),
  }),
  secret: z.array(kept),
  config: z.array(kept),
});
export type SwarmState = z.output<typeof state>;

const NO_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

const OUT_OF_SEQUENCE = "rpc error: code = Unknown desc = update out of sequence";

export class Swarm {
  readonly #path: string;
  #state: SwarmState | undefined;

  constructor(private readonly directory: string) {
    this.#path = join(directory, "state.json");
    this.#state = this.#load();
  }

  #load(): SwarmState | undefined {
    try {
      return state.parse(JSON.parse(readFileSync(this.#path, "utf8")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        log("error", "the swarm's state cannot be read: this node counts as being in no swarm", {
          path: this.#path,
          error: error as Error,
        });
      }
      return undefined;
    }
  }

  /** Undefined while this node is in no swarm. */
  get current(): SwarmState | undefined {
    return this.#state;
  }

  /** Throws ApiError 503 while this node is in no swarm. */
  get active(): SwarmState {
    if (!this.#state) throw unavailable(NO_MANAGER);
    return this.#state;
  }

  #save(next: SwarmState): void {
    writeAtomic(this.#path, JSON.stringify(next));
    this.#state = next;
  }

  /** Returns the node's id. Throws ApiError 503 when there is a swarm already. */
  init(address: string, Spec: SwarmState["cluster"]["Spec"]): string {
    if (this.#state) {
      throw unavailable(
        'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
      );
    }
    const now = new Date().toISOString();
    const id = newId();
    const fresh = { Version: 1, CreatedAt: now, UpdatedAt: now };
    this.#save({
      index: 1,
      cluster: { ID: id, ...fresh, Spec, worker: newToken(id), manager: newToken(id) },
      node: { ID: newId(), ...fresh, address, Name: hostname(), Labels: {}, Availability: "active" },
      secret: [],
      config: [],
    });
    return this.active.node.ID;
  }

  /** Ends the swarm, and with it all that was kept there. */
  leave(): void {
    rmSync(this.directory, { recursive: true, force: true });
    this.#state = undefined;
  }

  /** A changed copy becomes what counts, once it is on disk. `change` gets the state and the number of the change. */
  change<T>(change: (next: SwarmState, index: number, now: string) => T): T {
    const next = structuredClone(this.active);
    next.index++;
    const result = change(next, next.index, new Date().toISOString());
    this.#save(next);
    return result;
  }
}

/** Throws ApiError 400 in swarmkit's words when `version` is not the object's own: somebody else has changed it. */
export function checkVersion(object: { Version: number }, version: number): void {
  if (object.Version !== version) throw badRequest(OUT_OF_SEQUENCE);
}

/** By its id, its name, or the beginning of its id when that is enough. Throws ApiError 404. */
export function find<T extends { ID: string; Name: string }>(
  all: readonly T[],
  noun: string,
  text: string,
): T {
  const exact = all.find(({ ID }) => ID === text) ?? all.find(({ Name }) => Name === text);
  if (exact) return exact;
  const begun = all.filter(({ ID }) => text !== "" && ID.startsWith(text));
  if (begun.length > 1) {
    throw new ApiError(400, `${noun} ${text} is ambiguous (${begun.length} matches found)`);
  }
  if (!begun[0]) throw notFound(`${noun} ${text} not found`);
  return begun[0];
}
