// The API on its addresses.
import type { Hono } from "hono";
import { buildRoutes } from "../build/routes.ts";
import { sessionHijack } from "../build/session/sessions.ts";
import type { Engine } from "../engine.ts";
import { imageRoutes } from "../images/routes.ts";
import { pluginRoutes } from "../swarm/plugins.ts";
import { swarmRoutes } from "../swarm/routes.ts";
import { networkRoutes } from "../system/network-routes.ts";
import { systemRoutes } from "../system/routes.ts";
import { volumeRoutes } from "../volumes/routes.ts";
import { createApp } from "./app.ts";
import type { HijackRoute } from "./hijack.ts";
import { createHttpServer } from "./http.ts";
import { type Listeners, openListeners } from "./listen.ts";
import type { RouteEnv } from "./request.ts";

/** What the containers part adds to the API. */
export interface ContainerApi {
  routes: Hono<RouteEnv>[];
  hijacks: HijackRoute[];
}

/** All routes of the engine as one app. */
export function engineApp(engine: Engine, containers: ContainerApi): Hono<RouteEnv> {
  return createApp(engine.config, [
    systemRoutes(engine),
    ...containers.routes,
    imageRoutes(engine),
    buildRoutes(engine),
    volumeRoutes(engine),
    networkRoutes(engine),
    swarmRoutes(engine),
    pluginRoutes(),
  ]);
}

/** Opens the listeners. `onWork` is told of every request and of every connection's end. Throws when an address cannot be had. */
export async function serveApi(
  engine: Engine,
  containers: ContainerApi,
  onWork: () => void = () => {},
): Promise<Listeners> {
  const hijacks = [...containers.hijacks, sessionHijack];
  const http = createHttpServer(engine, engineApp(engine, containers), hijacks);
  http.on("request", onWork);
  http.on("upgrade", onWork);
  http.on("connection", (socket) => socket.once("close", onWork));
  return openListeners(engine.config, http);
}
