// The images that a Dockerfile names: found here, or pulled with the credentials that came with the build.

import type { RegistryAuth } from "../../../wire/containerd/services.ts";
import { familiarString } from "../../../wire/distribution/reference.ts";
import type { Engine } from "../engine.ts";
import { ApiError } from "../errors.ts";
import { toRegistryAuth } from "../images/auth.ts";
import { PullProgress } from "../images/progress.ts";
import { clientReference } from "../images/resolve.ts";
import type { StoredImage } from "../images/store.ts";
import type { RegistryConfig } from "./options.ts";
import type { BuildOutput } from "./output.ts";

/** Docker Hub's key in X-Registry-Config. */
const HUB = "https://index.docker.io/v1/";

function authFor(domain: string, config: RegistryConfig): RegistryAuth | undefined {
  const keys = domain === "docker.io" ? [HUB, "docker.io", "index.docker.io"] : [domain, `https://${domain}`];
  for (const key of keys) {
    const found = config[key];
    if (found) return toRegistryAuth(found);
  }
  return undefined;
}

export interface BaseRequest {
  /** Ask the registry even when the image is here. */
  pull: boolean;
  /** "os/arch", when one was asked for. */
  platform: string | undefined;
  registries: RegistryConfig;
  signal: AbortSignal;
}

function suits(image: StoredImage, platform: string | undefined): boolean {
  if (platform === undefined) return true;
  const [os, architecture] = platform.split("/");
  const { config } = image;
  return architecture === undefined
    ? config.architecture === os || config.os === os
    : config.os === os && config.architecture === architecture;
}

/** Throws ApiError in docker's words. */
export async function baseImage(
  engine: Engine,
  name: string,
  request: BaseRequest,
  output: BuildOutput,
): Promise<StoredImage> {
  if (!request.pull) {
    try {
      const image = await engine.images.get(name);
      if (suits(image, request.platform)) return image;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
  }
  const reference = clientReference(name);
  const progress = new PullProgress();
  // The pull's reports come from callbacks; what they say is written in their order.
  let saying: Promise<void> = Promise.resolve();
  let first = true;
  const { image, changed } = await engine.images.pull(name, {
    ...(request.platform ? { platform: request.platform } : {}),
    auth: authFor(reference.domain, request.registries),
    signal: request.signal,
    onProgress(report) {
      const lines = progress.lines(report);
      if (first)
        lines.unshift({ status: `Pulling from ${reference.path}`, id: reference.digest ?? reference.tag });
      first = false;
      for (const line of lines) saying = saying.then(() => output.line(line));
    },
  });
  await saying;
  const shown = familiarString(reference);
  await output.line({ status: `Digest: ${image.targetDigest}` });
  await output.line({
    status: changed
      ? `Status: Downloaded newer image for ${shown}`
      : `Status: Image is up to date for ${shown}`,
  });
  return image;
}
