// containerd's image records → Docker's images: records that lead to one config are one image with several names.
import { log } from "../../../observe/log.ts";
import type { Image, Services } from "../../../wire/containerd/services.ts";
import {
  familiarName,
  familiarString,
  InvalidReference,
  parseReference,
  type Reference,
} from "../../../wire/distribution/reference.ts";
import { ImageBlobs } from "./blobs.ts";
import type { LayerSize, StoredImage } from "./store.ts";

/** Records of images without a name are called this, with the target's digest (as moby does it). */
export const DANGLING = "moby-dangling@";

/** On an image's record: the id of the image it was made from (moby's label of the classic builder). */
export const PARENT_LABEL = "org.mobyproject.image.parent";

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
    for (const image of byId.values()) {
      for (const layer of image.chain) await this.#measure(layer);
      image.size = image.chain.reduce((sum, layer) => sum + layer.size, 0);
      // A parent that was removed is none.
      if (!byId.has(image.parent)) image.parent = "";
    }
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
      manifestType: documents.manifestType,
      config: documents.config,
      layers: documents.layers,
      chainId: documents.chain.at(-1) ?? "",
      chain: documents.chain.map((chainId) => ({ chainId, size: 0 })),
      size: 0,
      parent: "",
      taggedAt: record.updatedAt,
    };
    byId.set(id, image);
    image.records.push(record);
    image.parent ||= record.labels[PARENT_LABEL] ?? "";
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
  async #measure(layer: LayerSize): Promise<void> {
    const known = this.#sizes.get(layer.chainId);
    if (known !== undefined) {
      layer.size = known;
      return;
    }
    const snapshotter = this.services.snapshots.snapshotter(this.snapshotter);
    try {
      layer.size = (await snapshotter.usage(this.namespace, layer.chainId)).size;
      this.#sizes.set(layer.chainId, layer.size);
    } catch {
      // Not unpacked: it takes no room.
    }
  }
}
