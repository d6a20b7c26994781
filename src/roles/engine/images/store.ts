// The images as the engine knows them: containerd's image records of our namespace, seen with Docker's names and ids.

import type { DockerImageConfig } from "../../../spec/engine/image.ts";
import type { RegistryAuth, TransferProgress } from "../../../wire/containerd/services.ts";

/** One image: a config digest with all names that lead to it. */
export interface StoredImage {
  /** The image id: digest of the config blob, "sha256:…". */
  id: string;
  /** Familiar names, "busybox:latest". */
  repoTags: string[];
  /** "busybox@sha256:…" */
  repoDigests: string[];
  /** Digest of what the names point to (an index or a manifest). */
  targetDigest: string;
  /** Digest of the manifest for this platform. */
  manifestDigest: string;
  /** The config blob. */
  config: DockerImageConfig;
  /** Compressed layers in order, with their media types. */
  layers: { digest: string; mediaType: string; size: number }[];
  /** Name of the committed snapshot that holds the whole image ("" for an image without layers). */
  chainId: string;
  /** Bytes of the unpacked layers. */
  size: number;
  createdAt: Date;
  labels: Record<string, string>;
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
   * Throws ApiError 404 "No such image: X", 400 for a malformed reference.
   */
  get(nameOrId: string): Promise<StoredImage>;
  list(): Promise<StoredImage[]>;
  /** The name a container made from `nameOrId` shows: the reference as given, or the id when it was one. */
  pull(reference: string, options?: PullOptions): Promise<StoredImage>;
}
