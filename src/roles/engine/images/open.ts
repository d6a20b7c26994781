// The image store over containerd's services.
import type { ImageDeleteItem } from "../../../spec/engine/image.ts";
import { parsePlatform } from "../../../spec/oci/platform.ts";
import { type Image, ServiceError, type Services } from "../../../wire/containerd/services.ts";
import {
  familiarName,
  familiarString,
  formatReference,
  parseReference,
} from "../../../wire/distribution/reference.ts";
import type { EngineConfig } from "../config/types.ts";
import { ApiError, badRequest } from "../errors.ts";
import type { EventBus } from "../system/events.ts";
import { DANGLING, ImageCatalog } from "./catalog.ts";
import { leased } from "./leased.ts";
import { isInsecure, mirrorsFor } from "./registries.ts";
import { type ImageUser, planRemoval } from "./remove.ts";
import { clientReference, resolveImage } from "./resolve.ts";
import type { ImageStore, PullOptions, StoredImage } from "./store.ts";
import { type NewImage, putImage } from "./write.ts";

export interface ImageStoreParts {
  services: Services;
  namespace: string;
  config: Pick<EngineConfig, "snapshotter" | "insecureRegistries" | "registryMirrors">;
  events: EventBus;
  /** Containers made from an image. */
  users(imageId: string): ImageUser[];
}

class ContainerdImages implements ImageStore {
  readonly #catalog: ImageCatalog;

  constructor(private readonly parts: ImageStoreParts) {
    this.#catalog = new ImageCatalog(parts.services, parts.namespace, parts.config.snapshotter);
  }

  list(): Promise<StoredImage[]> {
    return this.#catalog.images();
  }

  async get(nameOrId: string): Promise<StoredImage> {
    return resolveImage(await this.list(), nameOrId);
  }

  async pull(text: string, options: PullOptions = {}): Promise<{ image: StoredImage; changed: boolean }> {
    const reference = clientReference(text);
    // A digest says it all; a tag beside it is not recorded (as docker does it).
    const name = formatReference(
      reference.digest === undefined ? reference : { ...reference, tag: undefined },
    );
    const platform = options.platform ? readPlatform(options.platform) : undefined;
    const before = await this.#find(name);
    if (before) await this.#keepDangling(before);
    let record: Image;
    try {
      record = await this.parts.services.transfer.pull(
        this.parts.namespace,
        {
          reference: name,
          auth: options.auth,
          platform,
          insecure: isInsecure(reference.domain, this.parts.config.insecureRegistries),
          mirrors: mirrorsFor(reference.domain, this.parts.config),
          snapshotter: this.parts.config.snapshotter,
          signal: options.signal,
        },
        options.onProgress,
      );
    } catch (error) {
      // 503 would mean that this engine is not there; it is the registry that is not.
      if (error instanceof ServiceError && error.code === "Unavailable") {
        throw new ApiError(500, error.message, { cause: error });
      }
      throw error;
    } finally {
      // Whoever still has a name needs no dangling record.
      if (before) await this.#dropNeedlessDangling(before.target.digest);
    }
    await this.#dropNeedlessDangling(record.target.digest);
    const image = await this.get(familiarString(parseReference(record.name)));
    this.#event("pull", familiarString(reference), familiarName(reference), image);
    return { image, changed: before?.target.digest !== record.target.digest };
  }

  async create(image: NewImage, labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const { services, namespace } = this.parts;
    return await leased(services, namespace, "image", async () => {
      const ground = { services, namespace, snapshotter: this.parts.config.snapshotter };
      const { manifest, id } = await putImage(ground, image);
      await this.#keepDangling({ labels, target: manifest });
      return id;
    });
  }

  async tag(nameOrId: string, repository: string, tag: string): Promise<void> {
    const image = await this.get(nameOrId);
    const target = clientReference(tag === "" ? repository : `${repository}:${tag}`);
    if (target.digest !== undefined) throw badRequest("refusing to create a tag with a digest reference");
    const name = formatReference(target);
    const source = image.records[0]!;
    const before = await this.#find(name);
    if (before?.target.digest === source.target.digest) return;
    const { images } = this.parts.services;
    const record = { name, labels: source.labels, target: source.target };
    if (before) {
      await this.#keepDangling(before);
      await images.update(this.parts.namespace, record);
      await this.#dropNeedlessDangling(before.target.digest);
    } else await images.create(this.parts.namespace, record);
    await this.#dropNeedlessDangling(source.target.digest);
    this.#event("tag", image.id, familiarString(target), image);
  }

  async remove(
    nameOrId: string,
    options: { force?: boolean; noPrune?: boolean } = {},
  ): Promise<ImageDeleteItem[]> {
    const all = await this.list();
    const image = resolveImage(all, nameOrId);
    const plan = planRemoval(nameOrId, image, all, {
      force: options.force ?? false,
      noPrune: options.noPrune ?? false,
      usersOf: (id) => this.parts.users(id),
    });
    if (plan.keepDangling) await this.#keepDangling(plan.records[0]!);
    for (const [i, record] of plan.records.entries()) {
      // The last one waits for the garbage to be gone, so that the space is free when rmi returns.
      await this.#delete(record.name, plan.deleted.length > 0 && i === plan.records.length - 1);
    }
    if (plan.untagged) this.#event("untag", image.id, image.id, image);
    for (const gone of plan.deleted) this.#event("delete", gone.id, gone.id, gone);
    return plan.items;
  }

  async #find(name: string): Promise<Image | undefined> {
    try {
      return await this.parts.services.images.get(this.parts.namespace, name);
    } catch (error) {
      if (error instanceof ServiceError && error.code === "NotFound") return undefined;
      throw error;
    }
  }

  // Made before the name moves away: at no moment may the garbage collector find the old image unreferenced.
  async #keepDangling(record: Pick<Image, "labels" | "target">): Promise<void> {
    try {
      await this.parts.services.images.create(this.parts.namespace, {
        name: `${DANGLING}${record.target.digest}`,
        labels: record.labels,
        target: record.target,
      });
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== "AlreadyExists") throw error;
    }
  }

  async #dropNeedlessDangling(digest: string): Promise<void> {
    const dangling = `${DANGLING}${digest}`;
    const records = await this.#catalog.records();
    const named = records.some((record) => record.target.digest === digest && record.name !== dangling);
    if (named && records.some((record) => record.name === dangling)) await this.#delete(dangling, false);
  }

  async #delete(name: string, sync: boolean): Promise<void> {
    try {
      await this.parts.services.images.delete(this.parts.namespace, name, { sync });
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== "NotFound") throw error;
    }
  }

  #event(action: string, id: string, name: string, image: StoredImage): void {
    this.parts.events.publish("image", action, {
      ID: id,
      Attributes: { ...(image.config.config?.Labels ?? {}), name },
    });
  }
}

function readPlatform(text: string) {
  try {
    return parsePlatform(text);
  } catch (error) {
    throw badRequest((error as Error).message);
  }
}

export function openImages(parts: ImageStoreParts): ImageStore {
  return new ContainerdImages(parts);
}
