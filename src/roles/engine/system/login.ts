// POST /auth: are these credentials good at that registry?
import type { AuthConfig } from "../../../spec/engine/system.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { Connection, registryHost } from "../../../wire/distribution/connection.ts";
import type { Engine } from "../engine.ts";
import { ApiError, badRequest } from "../errors.ts";
import { toRegistryAuth } from "../images/auth.ts";
import { isInsecure } from "../images/registries.ts";

const HUB = /^(https:\/\/)?(index\.)?docker\.io(\/v1\/?)?$/;

/** "https://index.docker.io/v1/", "localhost:5000", "https://reg.example/v2/" → the registry's host. */
export function registryDomain(address: string): string {
  if (address === "" || HUB.test(address)) return "docker.io";
  return address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

/** Resolves to an identity token, "" when the registry gave none. ApiError 401 with docker's words. */
export async function login(
  engine: Pick<Engine, "config">,
  auth: AuthConfig,
  signal: AbortSignal,
): Promise<string> {
  const domain = registryDomain(auth.serveraddress);
  const credentials = toRegistryAuth(auth);
  if (!credentials) throw badRequest("no credentials given");
  const connection = new Connection(
    { domain, path: "" },
    { auth: credentials, insecure: isInsecure(domain, engine.config.insecureRegistries) },
  );
  let response: Response;
  try {
    response = await connection.request("GET", "/v2/", { signal });
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (error.code !== "PermissionDenied") throw new ApiError(500, error.message, { cause: error });
    throw new ApiError(401, `Get "https://${registryHost(domain)}/v2/": ${error.message}`, { cause: error });
  }
  await response.body?.cancel();
  if (response.ok) return "";
  const refusal = `login attempt to ${response.url} failed with status: ${response.status} ${response.statusText}`;
  throw new ApiError(response.status === 401 || response.status === 403 ? 401 : 500, refusal.trim());
}
