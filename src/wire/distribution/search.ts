// Searching a registry's index: GET /v1/search, which Docker Hub and a few private registries still answer.
import type { RegistryAuth } from "../containerd/services.ts";
import { ServiceError } from "../containerd/services.ts";
import { tlsOptions } from "./certificates.ts";
import { connectionFailure } from "./failure.ts";

export interface SearchHit {
  name: string;
  description: string;
  star_count: number;
  is_official: boolean;
  is_automated: boolean;
}

/** "localhost:5000/foo" → its host and "foo"; what names no host is searched on Docker Hub. moby: registry/search.go */
export function splitSearchTerm(term: string): { host: string; query: string } {
  const slash = term.indexOf("/");
  const first = slash < 0 ? "" : term.slice(0, slash);
  if (first === "" || (!/[.:]/.test(first) && first !== "localhost")) {
    return { host: "index.docker.io", query: term };
  }
  const query = term.slice(slash + 1);
  if (first === "docker.io" || first === "index.docker.io") return { host: "index.docker.io", query };
  return { host: first, query };
}

function hitOf(value: unknown): SearchHit {
  const hit = (value ?? {}) as Record<string, unknown>;
  return {
    name: String(hit["name"] ?? ""),
    description: String(hit["description"] ?? ""),
    star_count: Number(hit["star_count"] ?? 0),
    is_official: hit["is_official"] === true,
    is_automated: hit["is_automated"] === true,
  };
}

/** What the registry finds. Throws ServiceError in Docker's words. */
export async function searchRegistry(
  term: string,
  options: { limit: number; auth?: RegistryAuth; insecure: boolean; signal?: AbortSignal },
): Promise<SearchHit[]> {
  const { host, query } = splitSearchTerm(term);
  const { username, password } = options.auth ?? {};
  const headers: Record<string, string> = { "user-agent": "bunker", "x-docker-token": "true" };
  if (username !== undefined) {
    headers["authorization"] = `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
  }
  let failure: unknown;
  for (const scheme of options.insecure ? ["https", "http"] : ["https"]) {
    // Credentials in the clear only to a registry that was declared insecure, as for pulls.
    const url = `${scheme}://${host}/v1/search?q=${encodeURIComponent(query)}&n=${options.limit}`;
    let response: Response;
    try {
      response = await fetch(url, {
        headers,
        signal: options.signal,
        tls: tlsOptions(host, options.insecure),
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = await connectionFailure(error, "GET", url);
      continue;
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new ServiceError(
        response.status === 401 || response.status === 403 ? "PermissionDenied" : "Unknown",
        `Unexpected status code ${response.status}`,
      );
    }
    const answer = (await response.json().catch((cause: unknown) => {
      throw new ServiceError("Unknown", `error decoding registry search results: ${String(cause)}`, {
        cause,
      });
    })) as { results?: unknown[] } | null;
    return (answer?.results ?? []).map(hitOf);
  }
  throw failure;
}
