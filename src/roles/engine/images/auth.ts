// X-Registry-Auth: base64url JSON with the credentials for one registry.
import { goJson } from "../../../spec/engine/go-json.ts";
import { type AuthConfig, authConfig } from "../../../spec/engine/system.ts";
import type { RegistryAuth } from "../../../wire/containerd/services.ts";

/** Credentials as containerd's transfer wants them; undefined when there are none. */
export function toRegistryAuth(config: AuthConfig): RegistryAuth | undefined {
  let { username, password } = config;
  if (username === "" && config.auth !== "") {
    const text = Buffer.from(config.auth, "base64").toString("utf8");
    const at = text.indexOf(":");
    if (at > 0) {
      username = text.slice(0, at);
      password = text.slice(at + 1);
    }
  }
  const identityToken = config.identitytoken || undefined;
  if (username === "" && !identityToken) return undefined;
  return { username: username || undefined, password: password || undefined, identityToken };
}

/** Reads the header. What cannot be read counts as no credentials, as it does for dockerd. */
export function registryAuth(header: string | undefined): RegistryAuth | undefined {
  if (!header) return undefined;
  try {
    const text = Buffer.from(header, "base64url").toString("utf8");
    return toRegistryAuth(goJson(authConfig, JSON.parse(text), "AuthConfig"));
  } catch {
    return undefined;
  }
}
