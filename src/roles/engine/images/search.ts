// GET /images/search
import type { SearchResult } from "../../../spec/engine/image.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { searchRegistry, splitSearchTerm } from "../../../wire/distribution/search.ts";
import type { Engine } from "../engine.ts";
import { ApiError, badRequest } from "../errors.ts";
import { Filters, integer, type RouteContext } from "../server/request.ts";
import { registryAuth } from "./auth.ts";
import { isInsecure } from "./registries.ts";

/** How many a registry is asked for, as moby asks. */
const DEFAULT_LIMIT = 25;

function stars(filters: Filters): number {
  let least = 0;
  for (const text of filters.get("stars")) {
    if (!/^\d+$/.test(text)) throw badRequest(`invalid filter 'stars=${JSON.stringify([text])}'`);
    least = Math.max(least, Number(text));
  }
  return least;
}

/** What the registry that the term names finds, after the filters. ApiError in docker's words. */
export async function searchImages(engine: Engine, c: RouteContext): Promise<SearchResult[]> {
  const term = c.req.query("term") ?? "";
  if (term === "") throw badRequest("search term cannot be empty");
  if (term.includes("://"))
    throw badRequest("invalid repository name: repository name can't contain a scheme");
  const limit = integer(c.req.query("limit"), "limit") || DEFAULT_LIMIT;
  if (limit < 1 || limit > 100) throw badRequest(`limit ${limit} is outside the range of [1, 100]`);
  const filters = Filters.parse(c.req.query("filters")).allow(["is-automated", "is-official", "stars"]);
  const official = filters.flag("is-official");
  const automated = filters.flag("is-automated");
  const least = stars(filters);
  try {
    const hits = await searchRegistry(term, {
      limit,
      auth: registryAuth(c.req.header("x-registry-auth")),
      insecure: isInsecure(splitSearchTerm(term).host, engine.config.insecureRegistries),
      signal: c.req.raw.signal,
    });
    return hits.filter(
      (hit) =>
        (official === undefined || hit.is_official === official) &&
        (automated === undefined || hit.is_automated === automated) &&
        hit.star_count >= least,
    );
  } catch (error) {
    // 503 would mean that this engine is not there; it is the registry that is not.
    if (error instanceof ServiceError && error.code === "Unavailable") {
      throw new ApiError(500, error.message, { cause: error });
    }
    throw error;
  }
}
