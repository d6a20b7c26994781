// An OCI image layout as a tar archive. image-spec image-layout.md
import { END, encodeHeader, paddingOf } from "./encode.ts";
import { plainEntry, plainFile } from "./plain.ts";

/** Annotations of a layout's index: the full name for containerd, the tag for everybody. */
export const IMAGE_NAME = "io.containerd.image.name";
export const REF_NAME = "org.opencontainers.image.ref.name";

/** "sha256:…" → where a layout has the blob. */
export const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

/** What a layout is made of. */
export interface LayoutParts {
  /** Sizes by digest. */
  blobs: ReadonlyMap<string, number>;
  read(digest: string): AsyncIterable<Uint8Array>;
  /** index.json */
  index: string;
  /** Further files by name: docker-archive's. "oci-layout" is added; they come in the order of their names. */
  more?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/** The archive in chunks, always the same for the same parts: blobs in the order of their digests, no times. */
export async function* packLayout(parts: LayoutParts): AsyncGenerator<Uint8Array> {
  yield encodeHeader(plainEntry("blobs/", 0, true));
  yield encodeHeader(plainEntry("blobs/sha256/", 0, true));
  for (const [digest, size] of [...parts.blobs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    parts.signal?.throwIfAborted();
    yield encodeHeader(plainEntry(blobPath(digest), size));
    yield* parts.read(digest);
    yield new Uint8Array(paddingOf(size));
  }
  yield* plainFile("index.json", parts.index);
  const files = { ...parts.more, "oci-layout": JSON.stringify({ imageLayoutVersion: "1.0.0" }) };
  for (const [name, text] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield* plainFile(name, text);
  }
  yield END;
}
