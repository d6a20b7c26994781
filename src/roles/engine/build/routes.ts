// POST /build, /build/prune, /build/cancel

import { Hono } from "hono";
import type { Engine } from "../engine.ts";
import { badRequest, notImplemented } from "../errors.ts";
import { Filters, type RouteEnv } from "../server/request.ts";
import { buildkitBuild } from "./buildkit-build.ts";
import { classicBuild } from "./classic-build.ts";
import { buildOptions } from "./options.ts";
import { pruneBuildCache } from "./prune.ts";
import { cancelBuild } from "./running.ts";

export function buildRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  app.post("/build", (c) => {
    const options = buildOptions(c);
    return options.version === "2" ? buildkitBuild(engine, c, options) : classicBuild(engine, c, options);
  });
  // Where buildx's own protocol begins.
  app.post("/grpc", () => {
    throw notImplemented(
      "buildx's control protocol is not implemented by this engine: build without buildx (DOCKER_BUILDKIT=0)",
    );
  });
  app.post("/build/prune", async (c) =>
    c.json(await pruneBuildCache(engine, Filters.parse(c.req.query("filters")))),
  );
  app.post("/build/cancel", (c) => {
    const id = c.req.query("id");
    if (!id) throw badRequest("build ID not provided");
    cancelBuild(id);
    return c.body(null, 204);
  });
  return app;
}
