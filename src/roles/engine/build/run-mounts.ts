// The mounts of a RUN step, as the containers part takes them.
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Fd } from "../../../../ffi/fd.ts";
import { toByteName } from "../../../../ffi/tree.ts";
import { type Owner, toHost } from "../config/remap.ts";
import { mountLayers, snapshotLayers } from "./bind-source.ts";
import { claimCache } from "./cache-directory.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import { parseMount, type RunMount } from "./dockerfile/mount.ts";
import { expandWord, type Lookup } from "./dockerfile/words.ts";
import { secretsDirectory } from "./leftovers.ts";
import { joinPath } from "./paths.ts";
import { openSnapshot } from "./rootfs.ts";
import { hasAgent, serveAgent } from "./session/agent.ts";
import { secretOf } from "./session/secrets.ts";
import type { StepGround } from "./step.ts";
import { findIn, hashTree, landingIn } from "./tree.ts";

/** Directories that RUN --mount=type=cache keeps from one build to the next. */
export const cacheRoot = (dataRoot: string): string => join(dataRoot, "buildcache");

export interface RunMounts extends AsyncDisposable {
  /** HostConfig.Mounts */
  mounts: Record<string, unknown>[];
  /** Variables that only this step sees: neither history nor cache know of them. */
  env: string[];
  /** Their places inside. */
  targets: string[];
}

/** What a mount is made of when its step really runs. */
interface Prepared {
  mount?: Record<string, unknown>;
  env?: string;
  release?: () => void | Promise<void>;
}

interface Planned {
  /** What of it belongs into the cache's key: the instruction's own words, and what a bind shows. */
  key: string;
  /** Its place inside; "" for one that has none. */
  target: string;
  prepare(): Promise<Prepared>;
}

/** A path in a tree with no symlink left in it, so that it means the same when it is mounted. */
function plainPath(tree: Fd, source: string, missing: string): string {
  const name = toByteName(source || ".");
  const found = findIn(tree, name);
  if (!found) throw new DockerfileError(missing);
  found.fd.close();
  return landingIn(tree, name)
    .parts.map((part) => Buffer.from(part, "latin1").toString("utf8"))
    .join("/");
}

class Planner {
  constructor(
    private readonly ground: StepGround,
    private readonly workingDir: string,
    /** The snapshot of the stage or image that `from` names. */
    private readonly snapshotOf: (from: string) => Promise<string>,
  ) {}

  plan(mount: RunMount, text: string, number: number): Promise<Planned> {
    const key = `--mount=${text}`;
    const target =
      "target" in mount && mount.target !== "" ? joinPath(this.workingDir || "/", mount.target) : "";
    switch (mount.type) {
      case "tmpfs": {
        const options = mount.size > 0 ? { TmpfsOptions: { SizeBytes: mount.size } } : {};
        return Promise.resolve({
          key,
          target,
          prepare: async () => ({ mount: { Type: "tmpfs", Target: target, ...options } }),
        });
      }
      case "cache":
        return Promise.resolve({ key, target, prepare: () => this.#cache(mount, target) });
      case "bind":
        return mount.from === "" ? this.#context(mount, key, target) : this.#image(mount, key, target);
      case "secret":
        this.#needsSession("secret");
        return Promise.resolve({ key, target, prepare: () => this.#secret(mount, target, number) });
      case "ssh": {
        this.#needsSession("ssh");
        const place = target === "" ? `/run/buildkit/ssh_agent.${number}` : target;
        return Promise.resolve({ key, target: place, prepare: () => this.#agent(mount, place, number) });
      }
    }
  }

  #needsSession(type: string): void {
    if (this.ground.options.version === "2") return;
    throw new DockerfileError(
      `RUN --mount=type=${type} requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled`,
    );
  }

  async #cache(mount: RunMount & { type: "cache" }, Target: string): Promise<Prepared> {
    const { engine, signal } = this.ground;
    const owner = this.#owner(mount);
    const place = await claimCache(cacheRoot(engine.config.dataRoot), { ...mount, ...owner }, signal);
    return {
      mount: { Type: "bind", Source: place.path, Target, ReadOnly: mount.readOnly },
      release: () => place[Symbol.dispose](),
    };
  }

  /** On the host. */
  #owner({ uid, gid }: Owner): Owner {
    const { remap } = this.ground.engine.config;
    return remap ? toHost(remap, { uid, gid }) : { uid, gid };
  }

  async #context(mount: RunMount & { type: "bind" }, key: string, Target: string): Promise<Planned> {
    const tree = await this.ground.context.tree([mount.source]);
    if (!tree) throw new DockerfileError("missing build context");
    const inside = plainPath(
      tree.fd,
      mount.source,
      `stat ${mount.source}: file not found in build context or excluded by .dockerignore`,
    );
    const hash = new Bun.CryptoHasher("sha256");
    using place = findIn(tree.fd, toByteName(inside || "."))!.fd;
    hashTree(hash, place, "", "");
    return {
      key: `${key} ${hash.digest("hex")}`,
      target: Target,
      prepare: async () => this.#bound([tree.path], inside, mount, Target),
    };
  }

  async #image(mount: RunMount & { type: "bind" }, key: string, Target: string): Promise<Planned> {
    const chainId = await this.snapshotOf(mount.from);
    if (chainId === "") throw new DockerfileError(`RUN --mount from ${mount.from}: it has no files`);
    return {
      key: `${key} ${chainId}`,
      target: Target,
      prepare: async () => {
        using tree = (await openSnapshot(this.ground, chainId))!;
        const missing = `stat ${mount.source}: no such file or directory in ${mount.from}`;
        const inside = plainPath(tree, mount.source, missing);
        return this.#bound(await snapshotLayers(this.ground, chainId), inside, mount, Target);
      },
    };
  }

  #bound(
    layers: readonly string[],
    inside: string,
    { writable }: RunMount & { type: "bind" },
    Target: string,
  ): Prepared {
    const { remap } = this.ground.engine.config;
    // One directory that is only read needs no mount of its own.
    const direct = !writable && layers.length === 1 && !remap;
    const tree = direct ? undefined : mountLayers(this.ground.context.scratch, layers, writable, remap);
    const Source = join(tree?.path ?? layers[0]!, inside);
    return {
      mount: { Type: "bind", Source, Target, ReadOnly: !writable },
      ...(tree ? { release: () => tree[Symbol.dispose]() } : {}),
    };
  }

  async #secret(mount: RunMount & { type: "secret" }, Target: string, number: number): Promise<Prepared> {
    const { session, signal } = this.ground;
    const data = await secretOf(session, mount.id, signal);
    if (!data) {
      if (mount.required) throw new DockerfileError(`secret ${mount.id}: not found`);
      return {};
    }
    const env = mount.env === "" ? {} : { env: `${mount.env}=${Buffer.from(data).toString("utf8")}` };
    if (Target === "") return env;
    const path = join(privateDirectory(this.ground), `secret-${number}`);
    writeFileSync(path, data, { mode: 0o600 });
    const { uid, gid } = this.#owner(mount);
    chownSync(path, uid, gid);
    chmodSync(path, mount.mode);
    return {
      ...env,
      mount: { Type: "bind", Source: path, Target, ReadOnly: true },
      release: () => rmSync(path, { force: true }),
    };
  }

  async #agent(mount: RunMount & { type: "ssh" }, Target: string, number: number): Promise<Prepared> {
    const { session, signal } = this.ground;
    if (!session || !(await hasAgent(session, mount.id, signal))) {
      if (!mount.required) return {};
      throw new DockerfileError(`unset ssh forward key ${mount.id}`);
    }
    const path = join(privateDirectory(this.ground), `agent-${number}`);
    const { id, mode } = mount;
    const served = await serveAgent(session, { id, path, ...this.#owner(mount), mode });
    return {
      env: `SSH_AUTH_SOCK=${Target}`,
      mount: { Type: "bind", Source: path, Target, ReadOnly: true },
      release: () => served[Symbol.dispose](),
    };
  }
}

/** What a step asks to be mounted: its key at once, the mounts themselves when it runs. Throws DockerfileError. */
export async function planMounts(
  ground: StepGround,
  texts: readonly string[],
  options: { workingDir: string; lookup: Lookup; snapshotOf: (from: string) => Promise<string> },
): Promise<{ key: string; prepare(): Promise<RunMounts> }> {
  const planner = new Planner(ground, options.workingDir, options.snapshotOf);
  const planned: Planned[] = [];
  for (const [number, text] of texts.entries()) {
    planned.push(await planner.plan(parseMount(expandWord(text, options.lookup)), text, number));
  }
  return {
    key: planned.map(({ key }) => key).join(" "),
    async prepare() {
      const prepared: Prepared[] = [];
      const release = async (): Promise<void> => {
        for (const one of prepared.reverse()) await one.release?.();
      };
      try {
        for (const plan of planned) prepared.push(await plan.prepare());
      } catch (error) {
        await release();
        throw error;
      }
      return {
        mounts: prepared.flatMap(({ mount }) => (mount ? [mount] : [])),
        // Of several agents the first is the one that programs find by themselves.
        env: prepared.flatMap(({ env }) => (env ? [env] : [])).filter(firstOfItsName),
        targets: planned.flatMap(({ target }) => (target === "" ? [] : [target])),
        [Symbol.asyncDispose]: release,
      };
    },
  };
}

const nameOf = (entry: string): string => entry.split("=", 1)[0]!;
const firstOfItsName = (entry: string, at: number, all: readonly string[]): boolean =>
  all.findIndex((other) => nameOf(other) === nameOf(entry)) === at;

/** Where secrets lie while a step needs them: below the exec root, which is in memory. */
function privateDirectory({ engine, context }: StepGround): string {
  const directory = join(secretsDirectory(engine.config.execRoot), basename(context.scratch));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** Removes the caches of RUN steps. */
export function pruneRunCaches(dataRoot: string): void {
  rmSync(cacheRoot(dataRoot), { recursive: true, force: true });
}
