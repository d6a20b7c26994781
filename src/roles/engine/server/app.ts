// The hono app: version prefix, headers of every answer, errors as {"message"}. Route modules are mounted without a prefix.
import { Hono } from "hono";
import { log } from "../../../observe/log.ts";
import { version } from "../../../version.ts";
import type { EngineConfig } from "../config/types.ts";
import { notFound, toApiError, unforeseen } from "../errors.ts";
import type { RouteEnv } from "./request.ts";
import { API_VERSION, checkVersion, splitVersion } from "./version.ts";

/** Headers that every answer carries (moby: daemon/server/middleware). */
export function standardHeaders(config: Pick<EngineConfig, "experimental">): Record<string, string> {
  return {
    "Api-Version": API_VERSION,
    "Docker-Experimental": String(config.experimental),
    Ostype: "linux",
    // The classic builder finds the platform in this one: /^Docker\/.+\s\((.+)\)$/.
    Server: `Docker/${version} (linux)`,
  };
}

/** Any thrown value as an answer. */
export function errorResponse(error: unknown, headers: Record<string, string>): Response {
  const refusal = toApiError(error);
  if (refusal.status >= 500) {
    log("error", `Handler for request returned error: ${refusal.message}`, {
      status: refusal.status,
      ...unforeseen(error),
    });
  } else {
    log("debug", `Handler for request returned error: ${refusal.message}`, { status: refusal.status });
  }
  if (refusal.status === 304) return new Response(null, { status: 304, headers });
  return new Response(`${JSON.stringify({ message: refusal.message })}\n`, {
    status: refusal.status,
    headers: { ...headers, "Content-Type": "application/json" },
  });
}

/** The path that routes see: percent-encoded as it came, without the version prefix. */
export function routePath(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  return splitVersion(query < 0 ? url.slice(start) : url.slice(start, query)).path;
}

/** Puts the route modules together. */
export function createApp(
  config: Pick<EngineConfig, "experimental">,
  modules: readonly Hono<RouteEnv>[],
): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>({ getPath: (request) => routePath(request.url) });
  const headers = standardHeaders(config);
  app.use(async (c, next) => {
    const { version: asked, path } = splitVersion(new URL(c.req.url).pathname);
    c.set("apiVersion", asked);
    log("debug", `Calling ${c.req.method} ${path}`);
    // A ping tells the client what to negotiate, so it is answered whatever the prefix says.
    if (path !== "/_ping") checkVersion(asked);
    await next();
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  });
  for (const module of modules) app.route("/", module);
  app.options("*", (c) => c.body(null, 200));
  app.notFound(() => errorResponse(notFound("page not found"), headers));
  app.onError((error) => errorResponse(error, headers));
  return app;
}
