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
import type { BuildReport } from "./report.ts";

/** Docker Hub's key in X-Registry-Config. */
const HUB = "https://index.docker.io/v1/";

/** Whom to be for a registry ("docker.io", "localhost:5000"). */
export type Credentials = (domain: string) => Promise<RegistryAuth | undefined>;

/** Those that came in X-Registry-Config. */
export function credentialsIn(config: RegistryConfig): Credentials {
  return async (domain) => {
    const keys =
      domain === "docker.io" ? [HUB, "docker.io", "index.docker.io"] : [domain, `https://${domain}`];
    const found = keys.map((key) => config[key]).find((one) => one !== undefined);
    return found && toRegistryAuth(found);
  };
}

export interface BaseRequest {
  /** Ask the registry even when the image is here. */
  pull: boolean;
  /** "os/arch", when one was asked for. */
  platform: string | undefined;
  credentials: Credentials;
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
  report: BuildReport,
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
  const auth = await request.credentials(reference.domain);
  const progress = new PullProgress();
  // The pull's reports come from callbacks; what they say is written in their order.
  let saying: Promise<void> = Promise.resolve();
  let first = true;
  const { image, changed } = await engine.images.pull(name, {
    ...(request.platform ? { platform: request.platform } : {}),
    auth,
    signal: request.signal,
    onProgress(step) {
      const lines = progress.lines(step);
      if (first)
        lines.unshift({ status: `Pulling from ${reference.path}`, id: reference.digest ?? reference.tag });
      first = false;
      for (const line of lines) saying = saying.then(() => report.pulling(line));
    },
  });
  await saying;
  const shown = familiarString(reference);
  await report.pulling({ status: `Digest: ${image.targetDigest}` });
  await report.pulling({
    status: changed
      ? `Status: Downloaded newer image for ${shown}`
      : `Status: Image is up to date for ${shown}`,
  });
  return image;
}
