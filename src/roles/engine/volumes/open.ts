// The local volume driver: a directory for each volume, with its record in volume.json beside the data.
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { log } from "../../../observe/log.ts";
import { syncDirectory, writeAtomic } from "../../../store/atomic.ts";
import type { Owner } from "../config/remap.ts";
import { badRequest, conflict, notFound } from "../errors.ts";
import type { EventBus } from "../system/events.ts";
import { checkMountOptions, isMountVolume, mountVolume, unmountVolume } from "./mount.ts";
import type { Volume, VolumeCreate, VolumeStore } from "./store.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const RECORD = "volume.json";

const record = z.object({
  createdAt: z.string(),
  labels: z.record(z.string(), z.string()),
  options: z.record(z.string(), z.string()),
  anonymous: z.boolean(),
});

function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw badRequest(
    name.length === 1
      ? `create ${name}: volume name is too short, names should be at least two alphanumeric characters`
      : `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

class LocalVolumes implements VolumeStore {
  readonly #volumes = new Map<string, Volume>();

  /** Reads what is on disk and removes what was left half made or half removed. */
  constructor(
    private readonly root: string,
    private readonly events: EventBus,
    private readonly users: (name: string) => string[],
    private readonly owner: Owner | undefined,
  ) {
    mkdirSync(root, { recursive: true, mode: 0o701 });
    for (const name of readdirSync(root)) this.#load(name);
  }

  list(): Volume[] {
    return [...this.#volumes.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  get(name: string): Volume {
    const volume = this.#volumes.get(name);
    if (!volume) throw notFound(`get ${name}: no such volume`);
    return volume;
  }

  create(request: VolumeCreate): Volume {
    const driver = request.driver || "local";
    if (driver !== "local") {
      throw notFound(
        `create ${request.name ?? ""}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
      );
    }
    const options = request.options ?? {};
    checkMountOptions(request.name ?? "", options);
    const anonymous = !request.name;
    const name = request.name || randomBytes(32).toString("hex");
    checkName(name);
    const existing = this.#volumes.get(name);
    if (existing) return existing;
    const volume: Volume = {
      name,
      driver: "local",
      mountpoint: join(this.root, name, "_data"),
      createdAt: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
      labels: { ...request.labels },
      options,
      anonymous,
    };
    mkdirSync(join(this.root, name), { recursive: true, mode: 0o701 });
    mkdirSync(volume.mountpoint, { recursive: true, mode: 0o755 });
    if (this.owner) chownSync(volume.mountpoint, this.owner.uid, this.owner.gid);
    // The record is the promise; it comes last.
    const { createdAt, labels } = volume;
    writeAtomic(
      join(this.root, name, RECORD),
      JSON.stringify({ createdAt, labels, options, anonymous } satisfies z.infer<typeof record>),
    );
    syncDirectory(this.root);
    this.#volumes.set(name, volume);
    this.events.publish("volume", "create", { ID: name, Attributes: { driver: "local" } });
    return volume;
  }

  mount(name: string): void {
    const volume = this.get(name);
    if (isMountVolume(volume.options)) mountVolume(volume);
  }

  unmount(name: string): void {
    const volume = this.#volumes.get(name);
    if (volume && isMountVolume(volume.options)) unmountVolume(volume);
  }

  async remove(name: string, options: { force?: boolean } = {}): Promise<void> {
    const volume = this.#volumes.get(name);
    if (!volume) {
      if (options.force) return;
      throw notFound(`get ${name}: no such volume`);
    }
    const users = this.users(name);
    if (users.length > 0) {
      throw conflict(`remove ${name}: volume is in use - [${users.join(", ")}]`);
    }
    this.unmount(name);
    this.#volumes.delete(name);
    const aside = join(this.root, `.removing-${name}`);
    renameSync(join(this.root, name), aside);
    syncDirectory(this.root);
    rmSync(aside, { recursive: true, force: true });
    this.events.publish("volume", "destroy", { ID: name, Attributes: { driver: "local" } });
  }

  #load(name: string): void {
    const directory = join(this.root, name);
    const file = join(directory, RECORD);
    if (name.startsWith(".removing-") || (NAME.test(name) && !existsSync(file))) {
      // A directory without a record may be the real engine's, which keeps its records elsewhere: data is never thrown away.
      if (name.startsWith(".removing-")) rmSync(directory, { recursive: true, force: true });
      else if (existsSync(join(directory, "_data"))) this.#adopt(name, directory);
      return;
    }
    if (!NAME.test(name)) return;
    try {
      const saved = record.parse(JSON.parse(readFileSync(file, "utf8")));
      this.#volumes.set(name, { name, driver: "local", mountpoint: join(directory, "_data"), ...saved });
    } catch (error) {
      log("warning", "The record of a volume cannot be read; its data is kept", { name, error });
      this.#adopt(name, directory);
    }
  }

  #adopt(name: string, directory: string): void {
    this.#volumes.set(name, {
      name,
      driver: "local",
      mountpoint: join(directory, "_data"),
      createdAt: new Date(0).toISOString().replace(/\.\d+Z$/, "Z"),
      labels: {},
      options: {},
      anonymous: /^[a-f0-9]{64}$/.test(name),
    });
  }
}

/**
 * @param users ids of the containers that mount a volume
 * @param owner to whom a new volume belongs, when not to root
 */
export function openVolumes(
  root: string,
  events: EventBus,
  users: (name: string) => string[],
  owner?: Owner,
): VolumeStore {
  return new LocalVolumes(root, events, users, owner);
}
