// The engine itself: /_ping /version /info /events /auth /system/df
import { Hono } from "hono";
import { type AuthResponse, authConfig } from "../../../spec/engine/system.ts";
import type { Engine } from "../engine.ts";
import { type RouteEnv, readBody } from "../server/request.ts";
import { systemDiskUsage } from "./disk-usage.ts";
import { eventStream } from "./event-stream.ts";
import { systemInfo, versionResponse } from "./info.ts";
import { login } from "./login.ts";
import { infoFor } from "./older-clients.ts";

export function systemRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();

  app.get("/_ping", (c) => {
    c.header("Cache-Control", "no-cache, no-store, must-revalidate");
    c.header("Pragma", "no-cache");
    // "2": `docker build` may use BuildKit's way.
    c.header("Builder-Version", "2");
    c.header("Swarm", engine.swarm.current ? "active/manager" : "inactive");
    c.header("Content-Type", "text/plain; charset=utf-8");
    if (c.req.method === "HEAD") {
      c.header("Content-Length", "0");
      return c.body(null);
    }
    return c.body("OK");
  });

  app.get("/version", async (c) => c.json(await versionResponse(engine)));
  app.get("/info", async (c) => c.json(infoFor(c.get("apiVersion"), await systemInfo(engine))));
  app.get("/events", (c) => eventStream(engine, c));

  app.post("/auth", async (c) => {
    const identityToken = await login(engine, await readBody(c, authConfig, "AuthConfig"), c.req.raw.signal);
    return c.json({ Status: "Login Succeeded", IdentityToken: identityToken } satisfies AuthResponse);
  });

  app.get("/system/df", async (c) =>
    c.json(await systemDiskUsage(engine, c.req.queries("type") ?? [], c.get("apiVersion"))),
  );
  return app;
}
