// Managed plugins: there are none, and none can be installed.
import { Hono } from "hono";
import { notFound, notImplemented } from "../errors.ts";
import type { RouteEnv } from "../server/request.ts";

export function pluginRoutes(): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  app.get("/plugins", (c) => c.json([]));
  app.get("/plugins/:name/json", (c) => {
    throw notFound(`plugin "${c.req.param("name")}" not found`);
  });
  app.all("/plugins/*", () => {
    throw notImplemented("managed plugins are not implemented");
  });
  return app;
}
