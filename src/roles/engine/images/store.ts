// The images as the engine knows them: containerd's image records of our namespace, seen with Docker's names and ids.
import type { DockerImageConfig, ImageDeleteItem } from "../../../spec/engine/image.ts";
import type { Descriptor, Image, RegistryAuth, TransferProgress } from "../../../wire/containerd/services.ts";
import type { NewImage } from "./write.ts";

/** One image: a config digest with all names that lead to it. */
export interface StoredImage {
  /** The image id: digest of the config blob, "sha256:…". */
  id: string;
  /** Familiar names, "busybox:latest". */
  repoTags: string[];
  /** "busybox@sha256:…" */
  repoDigests: string[];
  /** containerd's records that lead here, dangling ones included. */
  records: Image[];
  /** Digest of what the names point to (an index or a manifest). */
  targetDigest: string;
  /** Digest of the manifest for this platform. */
  manifestDigest: string;
  /** Its media type. */
  manifestType: string;
  /** The config blob. */
  config: DockerImageConfig;
  /** Compressed layers in order, with their media types. */
  layers: Descriptor[];
  /** Name of the committed snapshot that holds the whole image ("" for an image without layers). */
  chainId: string;
  /** The snapshots that its layers are, and the bytes that each of them holds (0 for one that is not unpacked). */
  chain: LayerSize[];
  /** Bytes of the unpacked layers. */
  size: number;
  /** Id of the image that the classic builder or a commit made this one from; "" when none is known here. */
  parent: string;
  /** When the newest of its names was given. */
  taggedAt: Date;
}

export interface LayerSize {
  chainId: string;
  size: number;
}

export interface PullOptions {
  /** "os/arch[/variant]" */
  platform?: string;
  auth?: RegistryAuth;
  signal?: AbortSignal;
  onProgress?: (progress: TransferProgress) => void;
}

export interface ImageStore {
  /**
   * By id, id prefix, name, name:tag or name@digest.
   * Throws ApiError 404 "No such image: X", 400 "invalid reference format".
   */
  get(nameOrId: string): Promise<StoredImage>;
  /** Every image, in no order. */
  list(): Promise<StoredImage[]>;
  /** Fetches and unpacks. `changed` tells whether the name leads somewhere new. Refusals as ApiError with docker's words. */
  pull(reference: string, options?: PullOptions): Promise<{ image: StoredImage; changed: boolean }>;
  /**
   * Stores an image of layers that are in the content store and unpacked, without a name. Returns its id.
   * `labels` go onto its record, and from there to every name that it gets.
   */
  create(image: NewImage, labels?: Readonly<Record<string, string>>): Promise<string>;
  /** Gives the image another name. */
  tag(nameOrId: string, repository: string, tag: string): Promise<void>;
  /** Untags, and deletes what has no name left. ApiError 409 while in use. */
  remove(nameOrId: string, options?: { force?: boolean; noPrune?: boolean }): Promise<ImageDeleteItem[]>;
}
