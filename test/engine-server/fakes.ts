// An engine over services that live in memory: enough of containerd for images, nothing that needs root.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleEngine } from "../../src/roles/engine/assemble.ts";
import { buildConfig } from "../../src/roles/engine/config/load.ts";
import type { EngineConfig } from "../../src/roles/engine/config/types.ts";
import type { ContainersPort, Engine } from "../../src/roles/engine/engine.ts";
import { NetworkError, type NetworkInfo, type Networks } from "../../src/roles/engine/network/types.ts";
import { MediaType } from "../../src/spec/oci/image.ts";
import {
  type Descriptor,
  type Image,
  type PullRequest,
  ServiceError,
  type Services,
  type TransferProgress,
} from "../../src/wire/containerd/services.ts";

/** A service whose every method fails by name, so that a test sees what it leaned on. */
function absent<T extends object>(name: string): T {
  return new Proxy({} as T, {
    get: (_target, method) => () => {
      throw new ServiceError("Unimplemented", `${name}.${String(method)} is not part of this test`);
    },
  });
}

const sha = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

export class FakeContainerd {
  readonly blobs = new Map<string, string>();
  readonly records = new Map<string, Image>();
  readonly deleted: { name: string; sync: boolean }[] = [];
  /** What the next pulls do. */
  pulling: (request: PullRequest, report: (progress: TransferProgress) => void) => Promise<Image> = async (
    request,
  ) => {
    throw new ServiceError(
      "NotFound",
      `pull access denied for ${request.reference}, repository does not exist or may require 'docker login'`,
    );
  };

  blob(value: unknown): Descriptor {
    const text = JSON.stringify(value);
    const digest = sha(text);
    this.blobs.set(digest, text);
    return { mediaType: "application/octet-stream", digest, size: text.length };
  }

  /** An image document set for `command`, layers `layers`. Returns what a name would point to. */
  document(command: string, layers: string[] = ["a"], created = "2024-01-02T03:04:05Z"): Descriptor {
    const config = this.blob({
      created,
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Cmd: [command], Labels: { made: "here" }, Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: layers.map(sha) },
      history: layers.map((layer) => ({ created, created_by: `ADD ${layer}` })),
    });
    const manifest = this.blob({
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config: { ...config, mediaType: MediaType.config },
      layers: layers.map((layer) => ({
        mediaType: MediaType.layerGzip,
        digest: sha(`gz ${layer}`),
        size: 10,
      })),
    });
    return { ...manifest, mediaType: MediaType.manifest };
  }

  name(name: string, target: Descriptor, labels: Image["labels"] = {}): Image {
    const now = new Date();
    const image: Image = { name, labels, target, createdAt: now, updatedAt: now };
    this.records.set(name, image);
    return image;
  }

  get services(): Services {
    const { blobs, records, deleted } = this;
    const fake = this;
    return {
      namespaces: absent("namespaces"),
      containers: absent("containers"),
      diff: absent("diff"),
      leases: absent("leases"),
      events: absent("events"),
      tasks: absent("tasks"),
      introspection: absent("introspection"),
      content: {
        ...absent<Services["content"]>("content"),
        async info(_ns, digest) {
          if (!blobs.has(digest)) throw new ServiceError("NotFound", `content ${digest}: not found`);
          const now = new Date();
          return { digest, size: blobs.get(digest)!.length, createdAt: now, updatedAt: now, labels: {} };
        },
        async *read(_ns, digest) {
          const text = blobs.get(digest);
          if (text === undefined) throw new ServiceError("NotFound", `content ${digest}: not found`);
          yield new TextEncoder().encode(text);
        },
      },
      images: {
        async get(_ns, name) {
          const image = records.get(name);
          if (!image) throw new ServiceError("NotFound", `image "${name}": not found`);
          return image;
        },
        list: async () => [...records.values()],
        async create(_ns, image) {
          if (records.has(image.name)) throw new ServiceError("AlreadyExists", `image "${image.name}"`);
          return fake.name(image.name, image.target, image.labels);
        },
        update: async (_ns, image) => fake.name(image.name, image.target, image.labels),
        async delete(_ns, name, options) {
          if (!records.delete(name)) throw new ServiceError("NotFound", `image "${name}": not found`);
          deleted.push({ name, sync: options?.sync ?? false });
        },
      },
      snapshots: {
        snapshotter: () => ({
          ...absent<ReturnType<Services["snapshots"]["snapshotter"]>>("snapshotter"),
          usage: async () => ({ size: 1000, inodes: 1 }),
          list: async () => [],
        }),
      },
      transfer: {
        ...absent<Services["transfer"]>("transfer"),
        pull: (_ns, request, report) => fake.pulling(request, report ?? (() => {})),
      },
      version: { version: async () => ({ version: "9.9.9", revision: "abc" }) },
    };
  }
}

const bridge: NetworkInfo = {
  id: "b".repeat(64),
  name: "bridge",
  driver: "bridge",
  created: new Date("2024-01-01T00:00:00Z"),
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  pools: [{ subnet: "172.17.0.0/16", gateway: "172.17.0.1" }],
  ipamDriver: "default",
  ipamOptions: {},
  configOnly: false,
  configFrom: "",
  options: {},
  labels: {},
  endpoints: [],
};

function fakeNetworks(): Networks {
  const networks = new Map([[bridge.name, bridge]]);
  const get = (name: string): NetworkInfo => {
    const found = [...networks.values()].find(
      (network) => network.name === name || network.id.startsWith(name),
    );
    if (!found) throw new NetworkError(`network ${name} not found`, 404);
    return found;
  };
  return {
    ...absent<Networks>("networks"),
    list: () => [...networks.values()],
    get,
    async create(request) {
      if (networks.has(request.name)) {
        throw new NetworkError(`network with name ${request.name} already exists`, 409);
      }
      const network = {
        ...bridge,
        id: sha(request.name).slice(7),
        name: request.name,
        labels: request.labels ?? {},
      };
      networks.set(request.name, network);
      return network;
    },
    async remove(name) {
      networks.delete(get(name).name);
    },
  };
}

export interface FakeEngine extends Disposable {
  engine: Engine;
  containerd: FakeContainerd;
  directory: string;
  /** Containers that images and volumes are told about. */
  users: { image: string; id: string; name: string; running: boolean }[];
  stop(): void;
}

export async function fakeEngine(overrides: Partial<EngineConfig> = {}): Promise<FakeEngine> {
  const directory = mkdtempSync(join(tmpdir(), "bunker-api-"));
  const containerd = new FakeContainerd();
  const users: FakeEngine["users"] = [];
  const shutdown = new AbortController();
  const containers: ContainersPort = {
    counts: () => ({ total: users.length, running: 0, paused: 0, stopped: users.length }),
    usingImage: (image) => users.filter((user) => user.image === image),
    usingVolume: () => [],
    summaries: async () => [],
    load: async () => new Set(),
    resume: async () => {},
    stop: async () => {},
  };
  const config = {
    ...buildConfig(
      new Map<string, unknown>([
        ["data-root", join(directory, "data")],
        ["exec-root", join(directory, "exec")],
        ["hosts", [`unix://${directory}/docker.sock`]],
        ["group", ""],
      ]),
      "",
    ),
    ...overrides,
  };
  const engine = await assembleEngine({
    config,
    services: containerd.services,
    networks: fakeNetworks(),
    containerdAddress: join(directory, "containerd.sock"),
    shutdown: shutdown.signal,
    createContainers: async () => containers,
  });
  return {
    engine,
    containerd,
    directory,
    users,
    stop: () => shutdown.abort(),
    [Symbol.dispose]() {
      shutdown.abort();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
