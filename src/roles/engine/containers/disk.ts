// `<data-root>/containers/<id>/`: config.v2.json and hostconfig.json, each written whole or not at all.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { log } from "../../../observe/log.ts";
import { goJson } from "../../../spec/engine/go-json.ts";
import { type HostConfig, hostConfig } from "../../../spec/engine/host-config.ts";
import { sweepTemporaries, writeAtomic } from "../../../store/atomic.ts";
import { type ContainerRecord, containerRecord } from "./record.ts";

const CONFIG = "config.v2.json";
const HOST_CONFIG = "hostconfig.json";
/** Where containers whose files cannot be read are put, for people to look at. */
const DAMAGED = ".damaged";

export interface LoadedContainer {
  record: ContainerRecord;
  host: HostConfig;
}

export class ContainerDisk {
  constructor(readonly root: string) {
    mkdirSync(root, { recursive: true, mode: 0o710 });
  }

  directory(id: string): string {
    return join(this.root, id);
  }

  /** Makes the container's directory. Its files follow with `saveHost` and `save`; a directory without config.v2.json is no container. */
  create(id: string): string {
    const directory = this.directory(id);
    mkdirSync(directory, { mode: 0o710 });
    return directory;
  }

  /** `durable: false` for what a reconcile finds again anyway (pid, running). */
  save(record: ContainerRecord, durable = true): void {
    writeAtomic(join(this.directory(record.ID), CONFIG), JSON.stringify(record), { durable });
  }

  saveHost(id: string, host: HostConfig): void {
    writeAtomic(join(this.directory(id), HOST_CONFIG), JSON.stringify(host), { mode: 0o644 });
  }

  remove(id: string): void {
    rmSync(this.directory(id), { recursive: true, force: true });
  }

  /** Everything readable. What is damaged is set aside and reported; what was never finished is removed. */
  load(): { containers: LoadedContainer[]; unfinished: string[] } {
    const containers: LoadedContainer[] = [];
    const unfinished: string[] = [];
    for (const id of readdirSync(this.root)) {
      if (!/^[0-9a-f]{64}$/.test(id)) continue;
      const directory = this.directory(id);
      sweepTemporaries(directory);
      if (!existsSync(join(directory, CONFIG))) {
        unfinished.push(id);
        continue;
      }
      try {
        const record = goJson(containerRecord, this.#read(id, CONFIG), "Container") as ContainerRecord;
        if (record.ID !== id) throw new Error(`${CONFIG} is that of container ${record.ID}`);
        const host = goJson(hostConfig, this.#read(id, HOST_CONFIG), "HostConfig");
        containers.push({ record, host });
      } catch (error) {
        this.#setAside(id, error);
      }
    }
    return { containers, unfinished };
  }

  #read(id: string, name: string): unknown {
    return JSON.parse(readFileSync(join(this.directory(id), name), "utf8")) as unknown;
  }

  #setAside(id: string, error: unknown): void {
    const aside = join(this.root, DAMAGED, `${id}.${Date.now()}`);
    try {
      mkdirSync(join(this.root, DAMAGED), { recursive: true, mode: 0o700 });
      renameSync(this.directory(id), aside);
      log("error", "container's files are damaged and were set aside", { container: id, error, aside });
    } catch (second) {
      log("error", "container's files are damaged and cannot be set aside", { container: id, error, second });
    }
  }
}
