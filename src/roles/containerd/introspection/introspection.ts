// What this containerd says about itself: version, plugins, identity.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../../store/atomic.ts";
import { commit, version } from "../../../version.ts";
import type { Introspection, Platform, Plugin, Version } from "../../../wire/containerd/services.ts";
import { labelField, matcher } from "../filters/match.ts";

export const localVersion: Version = {
  async version() {
    return { version: `${version}+bunker`, revision: commit };
  },
};

function platform(): Platform {
  return process.arch === "arm64"
    ? { os: "linux", architecture: "arm64", variant: "v8" }
    : { os: "linux", architecture: "amd64" };
}

function fieldOf(one: Plugin, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "type":
      return one.type;
    case "id":
      return one.id;
    case "capabilities":
      return path[1] !== undefined && one.capabilities.includes(path[1]) ? path[1] : undefined;
    case "exports":
      return labelField(one.exports, path.slice(1));
    default:
      return undefined;
  }
}

/** A part of this containerd, by the type and id that containerd gives it. */
export type PluginEntry = Pick<Plugin, "type" | "id"> & Partial<Plugin>;

export class LocalIntrospection implements Introspection {
  constructor(
    private readonly root: string,
    private readonly parts: readonly PluginEntry[],
  ) {}

  async plugins(filters?: string[]): Promise<Plugin[]> {
    return this.parts
      .map((part) => ({ platforms: [platform()], exports: {}, capabilities: [], ...part }))
      .filter(matcher(filters, fieldOf));
  }

  async server(): Promise<{ uuid: string; pid: number; pidns: number }> {
    const path = join(this.root, "uuid");
    if (!existsSync(path)) writeAtomic(path, randomUUID());
    const pidns = Number(/\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1] ?? 0);
    return { uuid: readFileSync(path, "utf8").trim(), pid: process.pid, pidns };
  }
}
