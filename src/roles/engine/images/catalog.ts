// containerd's image records → Docker's images: records that lead to one config are one image with several names.
import { log } from "../../../observe/log.ts";
import { chainIds } from "../../../spec/oci/image.ts";
import type { Image, Services } from "../../../wire/containerd/services.ts";
import {
  familiarName,
  familiarString,
  InvalidReference,
  parseReference,
  type Reference,
} from "../../../wire/distribution/reference.ts";
import { ImageBlobs } from "./blobs.ts";
import type { StoredImage } from "./store.ts";

/** Records of images without a name are called this, with the target's digest (as moby does it). */
export const DANGLING = "moby-dangling@";

/** A record's name as a reference; undefined for dangling images and for names that are not ours. */
export function recordReference(name: string): Reference | undefined {
  if (name.startsWith(DANGLING)) return undefined;
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof InvalidReference) return undefined;
    throw error;
  }
}

export class ImageCatalog {
  readonly #blobs: ImageBlobs;
  readonly #sizes = new Map<string, number>();

  constructor(
    private readonly services: Services,
    private readonly namespace: string,
    private readonly snapshotter: string,
  ) {
    this.#blobs = new ImageBlobs(services.content, namespace);
  }

  records(): Promise<Image[]> {
    return this.services.images.list(this.namespace);
  }

  /** Every image whose documents are here. A damaged one is left out with a warning: the others must still be seen. */
  async images(): Promise<StoredImage[]> {
    const byId = new Map<string, StoredImage>();
    for (const record of await this.records()) {
      try {
        await this.#add(byId, record);
      } catch (error) {
        log("warning", "Leaving out an image whose content cannot be read", { name: record.name, error });
      }
    }
    for (const image of byId.values()) image.size = await this.#size(image);
    return [...byId.values()];
  }

  async #add(byId: Map<string, StoredImage>, record: Image): Promise<void> {
    const documents = await this.#blobs.read(record.target);
    const id = documents.configDigest;
    const image = byId.get(id) ?? {
      id,
      repoTags: [],
      repoDigests: [],
      records: [],
      targetDigest: record.target.digest,
      manifestDigest: documents.manifestDigest,
      config: documents.config,
      layers: documents.layers,
      chainId: chainIds(documents.config.rootfs.diff_ids).at(-1) ?? "",
      size: 0,
      taggedAt: record.updatedAt,
    };
    byId.set(id, image);
    image.records.push(record);
    if (record.updatedAt > image.taggedAt) image.taggedAt = record.updatedAt;
    const reference = recordReference(record.name);
    if (!reference) return;
    if (reference.tag !== undefined && reference.digest === undefined) {
      image.repoTags.push(familiarString(reference));
    }
    const digest = `${familiarName(reference)}@${record.target.digest}`;
    if (!image.repoDigests.includes(digest)) image.repoDigests.push(digest);
  }

  // Layers are counted where they lie, in the snapshots; committed snapshots do not change.
  async #size(image: StoredImage): Promise<number> {
    const snapshotter = this.services.snapshots.snapshotter(this.snapshotter);
    let total = 0;
    for (const name of chainIds(image.config.rootfs.diff_ids)) {
      let size = this.#sizes.get(name);
      if (size === undefined) {
        try {
          size = (await snapshotter.usage(this.namespace, name)).size;
          this.#sizes.set(name, size);
        } catch {
          size = 0; // not unpacked
        }
      }
      total += size;
    }
    return total;
  }
}
