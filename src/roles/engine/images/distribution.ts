// GET /distribution/{name}/json: what a registry has under a name, without pulling it.
import type { BlobDescriptor, DistributionInspect } from "../../../spec/engine/image.ts";
import { ConfigRootfs, Index, isIndex, Manifest } from "../../../spec/oci/image.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { candidate, HostsResolver } from "../../../wire/distribution/mirrors.ts";
import type { Fetcher } from "../../../wire/distribution/resolver.ts";
import type { Engine } from "../engine.ts";
import { ApiError } from "../errors.ts";
import type { RouteContext } from "../server/request.ts";
import { registryAuth } from "./auth.ts";
import { parseDocument } from "./blobs.ts";
import { isInsecure, mirrorsFor } from "./registries.ts";
import { clientReference } from "./resolve.ts";

type Platforms = DistributionInspect["Platforms"];

function verified(bytes: Uint8Array, digest: string): unknown {
  const found = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
  if (found !== digest)
    throw new ServiceError("DataLoss", `manifest verification failed for digest ${digest}`);
  return JSON.parse(Buffer.from(bytes).toString("utf8"));
}

async function platforms(fetcher: Fetcher, target: BlobDescriptor, signal: AbortSignal): Promise<Platforms> {
  const { bytes } = await fetcher.manifest(target.digest, signal);
  const document = verified(bytes, target.digest);
  if (isIndex(target.mediaType)) {
    const index = parseDocument(Index, document, target.digest);
    return index.manifests.flatMap(({ platform }) => (platform ? [platform] : []));
  }
  const { config } = parseDocument(Manifest, document, target.digest);
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await fetcher.blob(config.digest, 0, signal)).bytes) chunks.push(chunk);
  const image = parseDocument(ConfigRootfs, verified(Buffer.concat(chunks), config.digest), config.digest);
  const { architecture, os, variant } = image;
  return [{ architecture, os, ...(variant ? { variant } : {}) }];
}

export async function inspectDistribution(engine: Engine, c: RouteContext): Promise<DistributionInspect> {
  const reference = clientReference(c.req.param("name") ?? "");
  const { signal } = c.req.raw;
  const registry = {
    auth: registryAuth(c.req.header("x-registry-auth")),
    insecure: isInsecure(reference.domain, engine.config.insecureRegistries),
    retry: { attempts: 2, pause: 250, longest: 250 },
  };
  const mirrors = mirrorsFor(reference.domain, engine.config);
  const resolver = new HostsResolver([
    ...mirrors.map(({ url, insecure }) => candidate(url, { endpoint: url, insecure }, false)),
    candidate(reference.domain, registry, true),
  ]);
  try {
    const { descriptor, fetcher } = await resolver.resolve(reference, signal);
    const { mediaType, digest, size } = descriptor;
    const shown = { mediaType, digest, size };
    return { Descriptor: shown, Platforms: await platforms(fetcher, shown, signal) };
  } catch (error) {
    if (error instanceof ServiceError && error.code === "Unavailable") {
      throw new ApiError(500, error.message, { cause: error });
    }
    throw error;
  }
}
