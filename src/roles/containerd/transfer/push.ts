// One push: image record → everything below it → the registry: blobs first, then manifests from the leaves up.
import { layerCompression } from "../../../spec/oci/image.ts";
import { labelPaths, sourceLabel } from "../../../wire/containerd/labels.ts";
import {
  type Descriptor,
  type PushRequest,
  ServiceError,
  type TransferProgress,
} from "../../../wire/containerd/services.ts";
import type { ConnectionOptions } from "../../../wire/distribution/connection.ts";
import { readHosts } from "../../../wire/distribution/hosts.ts";
import type { Pusher } from "../../../wire/distribution/pusher.ts";
import { RegistryPusher } from "../../../wire/distribution/pusher.ts";
import { formatReference, type Reference } from "../../../wire/distribution/reference.ts";
import type { RetryPolicy } from "../../../wire/distribution/retry.ts";
import { hasCode } from "./codes.ts";
import { choose, digestsBelow, type Node } from "./graph.ts";
import { Slots } from "./keyed-lock.ts";
import { leased, transferring } from "./leased.ts";
import type { Report } from "./progress.ts";
import { readReference } from "./pull.ts";
import type { PullServices } from "./session.ts";

/** How many blobs are uploaded at a time: Docker's max-concurrent-uploads. */
const CONCURRENCY = 5;
/** Repositories that a blob is tried to be mounted from. */
const MOUNTS = 3;

export interface PushGround {
  services: PullServices;
  retry: RetryPolicy;
  hostsDir: string | undefined;
}

interface Push {
  ns: string;
  services: PullServices;
  reference: Reference;
  signal: AbortSignal | undefined;
  report: Report;
}

/** The host that takes pushes for the registry, where a hosts.toml says one. */
function target(reference: Reference, hostsDir: string | undefined): ConnectionOptions {
  const hosts = hostsDir === undefined ? undefined : readHosts(hostsDir, reference.domain);
  if (!hosts) return {};
  const host = hosts.find(({ capabilities }) => capabilities.includes("push"));
  if (host) return host.options;
  throw new ServiceError("InvalidArgument", `no host of ${reference.domain} may be pushed to`);
}

/** Throws ServiceError. */
export async function push(
  ground: PushGround,
  ns: string,
  request: PushRequest,
  onProgress: (progress: TransferProgress) => void,
): Promise<Descriptor> {
  const { services, retry } = ground;
  const { signal, auth, insecure } = request;
  const reference = readReference(request.reference);
  const name = formatReference(reference);
  const image = await services.images.get(ns, request.image ?? name);
  return await transferring(signal, onProgress, (report) =>
    leased(services, ns, "push", async (lease) => {
      await services.leases.addResource(ns, lease, { type: "content", id: image.target.digest });
      const on: Push = { ns, services, reference, signal, report };
      const from = await sources(on, await digestsBelow(on, image.target));
      const pusher = new RegistryPusher(
        reference,
        { auth, insecure, retry, ...target(reference, request.hostsDir ?? ground.hostsDir) },
        [...new Set([...from.values()].flat())].slice(0, MOUNTS),
      );
      const root = await choose(on, image.target, {
        platform: request.platform,
        singleIfIncomplete: request.singleIfIncomplete,
        elsewhere: async (digest) => (await pusher.digestOf(digest, signal)) !== undefined,
      });
      await new Pushing(on, pusher, from).run(root);
      const { digest, mediaType, size } = root.descriptor;
      report({ event: "done", digest, mediaType, progress: size, total: size });
      return root.descriptor;
    }),
  );
}

/** By digest: other repositories of the same registry that are known to hold the blob. */
async function sources(on: Push, digests: ReadonlySet<string>): Promise<Map<string, string[]>> {
  const [key] = Object.keys(sourceLabel(on.reference));
  const found = new Map<string, string[]>();
  for (const digest of digests) {
    try {
      const { labels } = await on.services.content.info(on.ns, digest);
      const others = (labels[key!] ?? "")
        .split(",")
        .filter((path) => path !== "" && path !== on.reference.path);
      if (others.length > 0) found.set(digest, others.slice(0, MOUNTS));
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }
  return found;
}

class Pushing {
  readonly #slots = new Slots(CONCURRENCY);
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(
    private readonly on: Push,
    private readonly pusher: Pusher,
    private readonly from: ReadonlyMap<string, string[]>,
  ) {
    this.#signal = on.signal ? AbortSignal.any([on.signal, this.#stop.signal]) : this.#stop.signal;
  }

  async run(root: Node): Promise<void> {
    const { reference } = this.on;
    const blobs = new Map<string, Descriptor>();
    const collect = (node: Node): void => {
      for (const blob of node.blobs) blobs.set(blob.digest, blob);
      for (const child of node.children) collect(child);
    };
    collect(root);
    const { report } = this.on;
    for (const { digest, mediaType, size } of blobs.values()) {
      report({ event: "waiting", id: digest, digest, mediaType, total: size });
    }
    // The first failure ends the others: their errors are only its echo.
    await Promise.allSettled(
      [...blobs.values()].map(async (blob) => {
        try {
          await this.#slots.run(() => this.#blob(blob));
        } catch (error) {
          if (!this.#stop.signal.aborted) this.#stop.abort(error);
        }
      }),
    );
    this.on.signal?.throwIfAborted();
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    for (const child of root.children) await this.#documents(child);
    await this.#document(root, reference.tag ?? reference.digest ?? "latest");
  }

  async #blob(descriptor: Descriptor): Promise<void> {
    const { ns, services, report } = this.on;
    const { digest, mediaType, size } = descriptor;
    this.#signal.throwIfAborted();
    const about = { id: digest, digest, mediaType, total: size };
    if (await this.pusher.hasBlob(digest, this.#signal)) {
      report({ event: "exists", ...about, progress: size });
      await this.#remember(digest);
      return;
    }
    const source = (offset: number, count?: number) => {
      const bytes = services.content.read(ns, digest, {
        offset,
        ...(count === undefined ? {} : { size: count }),
      });
      return (async function* () {
        let progress = offset;
        for await (const chunk of bytes) {
          yield chunk;
          progress += chunk.length;
          report({ event: "uploading", ...about, progress });
        }
      })();
    };
    report({ event: "uploading", ...about, progress: 0 });
    const mounts = layerCompression(mediaType) === undefined ? [] : (this.from.get(digest) ?? []);
    const uploaded = await this.pusher.blob(descriptor, source, mounts, this.#signal);
    if (uploaded.how === "mounted")
      report({ event: "mounted", ...about, progress: size, from: uploaded.from });
    else report({ event: "complete", ...about, progress: size });
    await this.#remember(digest);
  }

  /** The registry's repository has the blob now: the next push to a sister repository mounts it from there. */
  async #remember(digest: string): Promise<void> {
    const { ns, services, reference } = this.on;
    const [key, path] = Object.entries(sourceLabel(reference))[0]!;
    try {
      const { labels: old } = await services.content.info(ns, digest);
      const known = (old[key] ?? "").split(",").filter(Boolean);
      if (known.includes(path)) return;
      const labels = { [key]: [...known, path].sort().join(",") };
      await services.content.update(ns, { digest, labels }, labelPaths(labels));
    } catch (error) {
      // Not here, or a label that would grow too long: only the short cut is lost.
      if (!hasCode(error, "NotFound", "InvalidArgument")) throw error;
    }
  }

  async #documents(node: Node): Promise<void> {
    for (const child of node.children) await this.#documents(child);
    await this.#document(node, node.descriptor.digest);
  }

  async #document({ descriptor, bytes }: Node, name: string): Promise<void> {
    const { digest, mediaType, size } = descriptor;
    const about = { id: digest, digest, mediaType, progress: size, total: size };
    const there = await this.pusher.digestOf(name, this.#signal);
    if (there === digest) {
      this.on.report({ event: "exists", ...about });
      return;
    }
    await this.pusher.manifest(name, mediaType, bytes, this.#signal);
    this.on.report({ event: "complete", ...about });
  }
}
