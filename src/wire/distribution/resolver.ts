// Where images come from: a registry, or this binary itself (src/embedded). Whoever pulls cannot tell which.
import type { Descriptor } from "../containerd/services.ts";
import type { Reference } from "./reference.ts";

/** Bytes of one blob. */
export interface BlobStream {
  /** Position in the blob of the first byte: what was asked for, or 0 where the source cannot start in the middle. */
  offset: number;
  bytes: AsyncIterable<Uint8Array>;
}

export interface Fetcher {
  /**
   * A manifest or index, whole. The bytes are not verified.
   * Throws ServiceError: NotFound, ResourceExhausted when larger than MANIFEST_LIMIT, …
   */
  manifest(digest: string, signal?: AbortSignal): Promise<{ mediaType: string; bytes: Uint8Array }>;
  /** Any other blob, from `offset` on. One attempt: whoever reads decides about the next. Not verified either. */
  blob(digest: string, offset: number, signal?: AbortSignal): Promise<BlobStream>;
}

export interface Resolved {
  /** What the name points to now. */
  descriptor: Descriptor;
  fetcher: Fetcher;
}

export interface Resolver {
  /** Throws ServiceError in Docker's words. */
  resolve(reference: Reference, signal?: AbortSignal): Promise<Resolved>;
}

/** Larger documents are refused, as Docker does (distribution's maxPayloadSize). */
export const MANIFEST_LIMIT = 4 << 20;
