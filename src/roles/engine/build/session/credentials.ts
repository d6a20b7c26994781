// Credentials for registries, asked of the client when an image has to be pulled.

import type { RegistryAuth } from "../../../../wire/containerd/services.ts";
import { ServiceError } from "../../../../wire/containerd/services.ts";
import { Auth } from "../../../../wire/gen/buildkit/auth_pb.ts";
import type { ClientSession } from "./client-session.ts";

/** What clients know Docker Hub by. */
const HUB = "registry-1.docker.io";

/** @param domain of a reference ("docker.io", "ghcr.io", "localhost:5000"). Undefined when the client has none. Throws ServiceError. */
export async function credentialsOf(
  session: ClientSession,
  domain: string,
  signal: AbortSignal,
): Promise<RegistryAuth | undefined> {
  const Host = domain === "docker.io" ? HUB : domain;
  try {
    const { Username, Secret } = await session.connection.unary(
      Auth.method.credentials,
      { Host },
      { signal },
    );
    if (Secret === "" && Username === "") return undefined;
    // Without a name the secret is an identity token.
    return Username === "" ? { identityToken: Secret } : { username: Username, password: Secret };
  } catch (error) {
    if (error instanceof ServiceError && error.code === "Unimplemented") return undefined;
    throw error;
  }
}
