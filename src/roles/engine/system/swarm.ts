// Swarm mode, managed plugins and what hangs on them: the answers of an engine that is in no swarm.
import { Hono } from "hono";
import { notFound, notImplemented, unavailable } from "../errors.ts";
import type { RouteEnv } from "../server/request.ts";

const NO_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

export function swarmRoutes(): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  for (const verb of ["init", "join"]) {
    app.post(`/swarm/${verb}`, () => {
      throw notImplemented("swarm mode is not implemented");
    });
  }
  app.post("/swarm/leave", () => {
    throw unavailable("This node is not part of a swarm");
  });
  const noManager = (): never => {
    throw unavailable(NO_MANAGER);
  };
  for (const noun of ["swarm", "nodes", "services", "tasks", "secrets", "configs"]) {
    app.all(`/${noun}`, noManager);
    app.all(`/${noun}/*`, noManager);
  }
  app.get("/plugins", (c) => c.json([]));
  app.get("/plugins/:name/json", (c) => {
    throw notFound(`plugin "${c.req.param("name")}" not found`);
  });
  app.all("/plugins/*", () => {
    throw notImplemented("managed plugins are not implemented");
  });
  return app;
}
