// The documents of an OCI image (image-spec v1.1): descriptor, manifest, index, config, layout, and Docker's older names
// for them (schema 2). Parse at the border with these, then trust the types.
import { createHash } from "node:crypto";
import { z } from "zod";

/** Media types by what they are. image-spec media-types.md; Docker's from distribution's manifest-v2-2.md. */
export const MediaType = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  empty: "application/vnd.oci.empty.v1+json",
  dockerManifestList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerManifestV1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerManifestV1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  dockerForeignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  nondistributableLayer: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  nondistributableLayerGzip: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  nondistributableLayerZstd: "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
} as const;

const restricted = "[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}";
/** RFC 6838 section 4.2. */
const mediaType = z.string().regex(new RegExp(`^${restricted}/${restricted}$`), "invalid media type");

const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128, blake3: 64 };

/** descriptor.md#digests: the grammar, and the length for the registered algorithms. */
export const Digest = z
  .string()
  .regex(/^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/, "invalid checksum digest format")
  .refine((digest) => {
    const [algorithm = "", encoded = ""] = digest.split(":");
    const length = HEX_LENGTH[algorithm];
    return length === undefined || (encoded.length === length && /^[0-9a-f]+$/.test(encoded));
  }, "invalid checksum digest length or alphabet");

const annotations = z.record(z.string(), z.string());
/** Go writes a nil slice or map as null: the same as absent. */
const orNull = <T extends z.ZodType>(type: T) =>
  type
    .nullish()
    .transform((value) => value ?? undefined)
    .optional();

/** RFC 3986 with a scheme. */
const uri = z.string().refine((text) => URL.canParse(text), "invalid URI");

/** The platform a manifest of an index is for. image-index.md. */
export const Platform = z.object({
  architecture: z.string(),
  os: z.string(),
  "os.version": z.string().optional(),
  "os.features": orNull(z.array(z.string())),
  variant: z.string().optional(),
});
export type Platform = z.infer<typeof Platform>;

export const Descriptor = z.object({
  mediaType,
  digest: Digest,
  size: z.int().nonnegative(),
  urls: orNull(z.array(uri)),
  annotations: orNull(annotations),
  data: z.base64().optional(),
  artifactType: mediaType.optional(),
  platform: orNull(Platform),
});
export type Descriptor = z.infer<typeof Descriptor>;

/** image-index.md */
export const Index = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.literal([MediaType.index, MediaType.dockerManifestList]).optional(),
  artifactType: mediaType.optional(),
  manifests: z.array(Descriptor),
  subject: Descriptor.optional(),
  annotations: orNull(annotations),
});
export type Index = z.infer<typeof Index>;

/** manifest.md; Docker's schema 2 manifest has the same shape, and may have no layer at all. */
export const Manifest = z
  .object({
    schemaVersion: z.literal(2),
    mediaType: z.literal([MediaType.manifest, MediaType.dockerManifest]).optional(),
    artifactType: mediaType.optional(),
    config: Descriptor,
    layers: z.array(Descriptor),
    subject: Descriptor.optional(),
    annotations: orNull(annotations),
  })
  .refine((manifest) => manifest.mediaType === MediaType.dockerManifest || manifest.layers.length > 0, {
    path: ["layers"],
    message: "a manifest has at least one layer",
  });
export type Manifest = z.infer<typeof Manifest>;

const emptyObjects = z.record(z.string(), z.object({}));

/** What of the config's `config` says how to run a container; Docker's extra fields are the engine's (spec/engine/image.ts). */
const Execution = z.object({
  User: z.string().optional(),
  ExposedPorts: orNull(emptyObjects),
  Env: orNull(z.array(z.string().regex(/^[^=]+=/, "not NAME=VALUE"))),
  Entrypoint: orNull(z.array(z.string())),
  Cmd: orNull(z.array(z.string())),
  Volumes: orNull(emptyObjects),
  WorkingDir: z.string().optional(),
  Labels: orNull(annotations),
  StopSignal: z.string().optional(),
  ArgsEscaped: z.boolean().optional(),
});

const dateTime = z.iso.datetime({ offset: true });

/** The part of a config that unpacking needs; whatever else it says is for those who run the image. */
export const ConfigRootfs = z.object({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(Digest) }),
});
export type ConfigRootfs = z.infer<typeof ConfigRootfs>;

/** config.md, strict. */
export const Config = ConfigRootfs.extend({
  created: dateTime.optional(),
  author: z.string().optional(),
  "os.version": z.string().optional(),
  "os.features": orNull(z.array(z.string())),
  config: orNull(Execution),
  history: orNull(
    z.array(
      z.object({
        created: dateTime.optional(),
        author: z.string().optional(),
        created_by: z.string().optional(),
        comment: z.string().optional(),
        empty_layer: z.boolean().optional(),
      }),
    ),
  ),
});
export type Config = z.infer<typeof Config>;

/** The `oci-layout` file. image-layout.md */
export const Layout = z.object({ imageLayoutVersion: z.literal("1.0.0") });

const indexTypes: ReadonlySet<string> = new Set([MediaType.index, MediaType.dockerManifestList]);
const manifestTypes: ReadonlySet<string> = new Set([MediaType.manifest, MediaType.dockerManifest]);

export const isIndex = (type: string): boolean => indexTypes.has(type);
export const isManifest = (type: string): boolean => manifestTypes.has(type);

export type Compression = "none" | "gzip" | "zstd";

const COMPRESSION: Readonly<Record<string, Compression>> = {
  [MediaType.layer]: "none",
  [MediaType.dockerLayer]: "none",
  [MediaType.nondistributableLayer]: "none",
  [MediaType.layerGzip]: "gzip",
  [MediaType.dockerLayerGzip]: "gzip",
  [MediaType.dockerForeignLayerGzip]: "gzip",
  [MediaType.nondistributableLayerGzip]: "gzip",
  [MediaType.layerZstd]: "zstd",
  [MediaType.dockerLayerZstd]: "zstd",
  [MediaType.nondistributableLayerZstd]: "zstd",
};

/** How a layer of that media type is compressed; undefined when it is no file system layer. */
export function layerCompression(type: string): Compression | undefined {
  return COMPRESSION[type];
}

/**
 * The chain IDs of a list of diff IDs: element i names the file system that layers 0..i make. config.md#layer-chainid:
 * ChainID(L0) = DiffID(L0); ChainID(L0|…|Ln) = sha256(ChainID(L0|…|Ln-1) + " " + DiffID(Ln)).
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(
      parent === undefined
        ? diffId
        : `sha256:${createHash("sha256").update(`${parent} ${diffId}`).digest("hex")}`,
    );
  }
  return chain;
}
