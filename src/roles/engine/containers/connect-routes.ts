// The part of /networks that is about containers.
import { Hono } from "hono";
import { endpointSettings, networkConnect, networkDisconnect } from "../../../spec/engine/network.ts";
import type { Engine } from "../engine.ts";
import { ApiError } from "../errors.ts";
import { type RouteEnv, readBody } from "../server/request.ts";
import { connectContainer, disconnectContainer, disconnectUnknown } from "./connect.ts";
import { roomOf } from "./index.ts";

export function connectRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  app.post("/networks/:id/connect", async (c) => {
    const room = roomOf(engine);
    const body = await readBody(c, networkConnect, "NetworkConnectRequest");
    const container = room.registry.get(body.Container);
    const asked = body.EndpointConfig ?? endpointSettings.parse({});
    await connectContainer(room, container, c.req.param("id"), asked);
    return c.body(null, 200);
  });
  app.post("/networks/:id/disconnect", async (c) => {
    const room = roomOf(engine);
    const body = await readBody(c, networkDisconnect, "NetworkDisconnectRequest");
    const id = c.req.param("id");
    try {
      await disconnectContainer(room, room.registry.get(body.Container), id);
    } catch (error) {
      if (!(body.Force && error instanceof ApiError && error.status === 404)) throw error;
      await disconnectUnknown(room, id, body.Container);
    }
    return c.body(null, 200);
  });
  // Bunker's own: the id "explain" is no network's.
  app.get("/networks/explain", async (c) => {
    const room = roomOf(engine);
    const name = c.req.query("container");
    return c.json(await engine.networks.explain(name ? room.registry.get(name).id : undefined));
  });
  return app;
}
