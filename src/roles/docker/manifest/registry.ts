// The registry as `docker manifest` speaks to it: directly, not through the engine.
import { MediaType } from "../../../spec/oci/image.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { Connection, type ConnectionOptions } from "../../../wire/distribution/connection.ts";
import { RegistryPusher } from "../../../wire/distribution/pusher.ts";
import { formatReference, type Reference } from "../../../wire/distribution/reference.ts";
import { ACCEPT } from "../../../wire/distribution/registry.ts";
import { MANIFEST_LIMIT } from "../../../wire/distribution/resolver.ts";
import type { Cli } from "../cli.ts";
import { credentials } from "../config/credentials.ts";
import { reason } from "../errors.ts";
import { digestOf, type ImageManifest, type ManifestDocument, type Platform } from "./store.ts";

/** Either kind of answer to a name. */
export type Found = { image: ImageManifest } | { list: ImageManifest[] };

interface Index {
  manifests: { digest: string; platform?: Platform }[];
}

async function options(cli: Cli, reference: Reference, insecure: boolean): Promise<ConnectionOptions> {
  const { username, password, identitytoken } = await credentials(cli.config, reference.domain);
  return {
    insecure,
    auth: username || identitytoken ? { username, password, identityToken: identitytoken } : undefined,
  };
}

/** Reads a registry's answers about one repository. */
export class ManifestReader {
  readonly #connection: Connection;

  private constructor(
    connection: Connection,
    private readonly reference: Reference,
  ) {
    this.#connection = connection;
  }

  /** Throws in docker's words when nobody answers, and when only plain http does and `insecure` was not said. */
  static async open(cli: Cli, reference: Reference, insecure: boolean): Promise<ManifestReader> {
    const connection = new Connection(reference, await options(cli, reference, insecure));
    const origin = await connection.origin().catch((error: unknown) => {
      throw new Error(`failed to configure transport: error pinging v2 registry: ${reason(error)}`);
    });
    if (origin.startsWith("http:") && !insecure) throw notThere(reference);
    return new ManifestReader(connection, reference);
  }

  /** What the name stands for. */
  async read(): Promise<Found> {
    const { bytes, mediaType } = await this.#manifest(this.reference);
    if (mediaType !== MediaType.index && mediaType !== MediaType.dockerManifestList) {
      return { image: await this.#image(this.reference, bytes, mediaType) };
    }
    const { manifests } = JSON.parse(new TextDecoder().decode(bytes)) as Index;
    const list: ImageManifest[] = [];
    for (const { digest, platform } of manifests) {
      const reference = { ...this.reference, digest };
      const document = await this.#manifest(reference);
      const image = await this.#image(reference, document.bytes, document.mediaType);
      list.push({ ...image, Descriptor: { ...image.Descriptor, platform: platform && plain(platform) } });
    }
    return { list };
  }

  async #manifest(reference: Reference): Promise<{ bytes: Uint8Array; mediaType: string }> {
    const response = await this.#get(
      `/v2/${reference.path}/manifests/${reference.digest ?? reference.tag}`,
      ACCEPT,
    );
    const bytes = await response.bytes();
    if (bytes.length > MANIFEST_LIMIT) throw new Error(`${formatReference(reference)}: manifest too large`);
    if (reference.digest !== undefined && digestOf(bytes) !== reference.digest) {
      throw new Error(`manifest verification failed for digest ${reference.digest}`);
    }
    return { bytes, mediaType: (response.headers.get("content-type") ?? "").split(";")[0]!.trim() };
  }

  async #image(reference: Reference, bytes: Uint8Array, mediaType: string): Promise<ImageManifest> {
    const oci = mediaType === MediaType.manifest;
    if (!oci && mediaType !== MediaType.dockerManifest) {
      throw new Error(`${formatReference(reference)} is not a manifest`);
    }
    const document = JSON.parse(new TextDecoder().decode(bytes)) as ManifestDocument;
    const config = await (await this.#get(`/v2/${reference.path}/blobs/${document.config.digest}`)).bytes();
    if (digestOf(config) !== document.config.digest) {
      throw new Error(`image config verification failed for digest ${document.config.digest}`);
    }
    return {
      Ref: formatReference(reference),
      Descriptor: {
        mediaType,
        digest: digestOf(bytes),
        size: bytes.length,
        platform: plain(JSON.parse(new TextDecoder().decode(config)) as Partial<Platform>),
      },
      Raw: Buffer.from(bytes).toString("base64"),
      ...(oci ? { OCIManifest: document } : { SchemaV2Manifest: document }),
    };
  }

  async #get(path: string, accept?: string): Promise<Response> {
    const response = await this.#connection.request("GET", path, { headers: accept ? { accept } : {} });
    if (response.ok) return response;
    const text = await response.text();
    // No access and no such thing look alike to whoever has no account there.
    if (response.status === 401 || response.status === 404) throw notThere(this.reference);
    throw new Error(`${formatReference(this.reference)}: the registry answered ${response.status}: ${text}`);
  }
}

const notThere = (reference: Reference) => new Error(`no such manifest: ${formatReference(reference)}`);

/** The platform's own fields, in their order. */
function plain(platform: Partial<Platform>): Platform {
  return {
    architecture: platform.architecture ?? "",
    os: platform.os ?? "",
    "os.version": platform["os.version"] || undefined,
    "os.features": platform["os.features"]?.length ? platform["os.features"] : undefined,
    variant: platform.variant || undefined,
  };
}

/** Writes to one repository. */
export class ManifestWriter {
  readonly #connection: Connection;
  readonly #pusher: RegistryPusher;

  private constructor(
    private readonly target: Reference,
    settings: ConnectionOptions,
    from: readonly string[],
  ) {
    this.#pusher = new RegistryPusher(target, settings, from);
    this.#connection = new Connection(target, {
      ...settings,
      access: { actions: "pull,push", alsoPull: from },
    });
  }

  /** `from`: the repositories that blobs are mounted from. */
  static async open(
    cli: Cli,
    target: Reference,
    insecure: boolean,
    from: readonly string[],
  ): Promise<ManifestWriter> {
    return new ManifestWriter(target, await options(cli, target, insecure), from);
  }

  /** Makes a blob of a sister repository one of this repository's too. Returns whether the registry could. */
  async mount(digest: string, from: string): Promise<boolean> {
    const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const response = await this.#connection.request(
      "POST",
      `/v2/${this.target.path}/blobs/uploads/?${query}`,
      { headers: { "content-length": "0" } },
    );
    const text = await response.text();
    if (response.status === 201) return true;
    if (response.status !== 202) {
      throw new Error(
        `failed to mount blob ${this.target.domain}/${from}@${digest} to ${formatReference(this.target)}: ${text || response.status}`,
      );
    }
    // It opened an upload instead; that is taken back.
    const location = response.headers.get("location");
    if (location && URL.canParse(location, response.url)) {
      await this.#connection.request("DELETE", new URL(location, response.url).href, { once: true });
    }
    return false;
  }

  /** Stores a document under a tag or its digest; returns its digest. Throws in docker's words. */
  async put(reference: Reference, mediaType: string, bytes: Uint8Array): Promise<string> {
    try {
      await this.#pusher.manifest(reference.tag ?? reference.digest!, mediaType, bytes);
    } catch (error) {
      const pinged =
        error instanceof ServiceError && error.code === "Unavailable" && /\/v2\/"/.test(error.message);
      throw new Error(
        pinged
          ? `failed to configure transport: error pinging v2 registry: ${reason(error)}`
          : `failed to put manifest ${formatReference(reference)}: ${reason(error)}`,
      );
    }
    return digestOf(bytes);
  }
}
