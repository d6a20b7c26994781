// The route table itself, as the engine serves it, and the schemas of the bodies that its routes read.
import type { z } from "zod";
import { connectRoutes } from "../../../src/roles/engine/containers/connect-routes.ts";
import { containerRoutes, execRoutes, hijackRoutes } from "../../../src/roles/engine/containers/index.ts";
import { engineApp } from "../../../src/roles/engine/server/serve.ts";
import { containerConfig, containerCreate } from "../../../src/spec/engine/container.ts";
import { execCreate, execStart } from "../../../src/spec/engine/exec.ts";
import { containerUpdate } from "../../../src/spec/engine/host-config.ts";
import { networkConnect, networkCreate, networkDisconnect } from "../../../src/spec/engine/network.ts";
import { authConfig } from "../../../src/spec/engine/system.ts";
import { volumeCreate } from "../../../src/spec/engine/volume.ts";
import { fakeEngine } from "../fakes.ts";

export interface Route {
  method: string;
  /** hono's notation. */
  path: string;
  body?: z.core.$ZodType;
}

const BODIES: Readonly<Record<string, z.core.$ZodType>> = {
  "POST /containers/create": containerCreate,
  "POST /containers/:id/update": containerUpdate,
  "POST /containers/:id/exec": execCreate,
  "POST /exec/:id/start": execStart,
  "POST /commit": containerConfig,
  "POST /networks/create": networkCreate,
  "POST /networks/:id/connect": networkConnect,
  "POST /networks/:id/disconnect": networkDisconnect,
  "POST /volumes/create": volumeCreate,
  "POST /auth": authConfig,
};

/** Every route once; one for all methods is a POST here. */
export async function routeTable(): Promise<Route[]> {
  using fake = await fakeEngine();
  const { engine } = fake;
  const app = engineApp(engine, {
    routes: [containerRoutes(engine), execRoutes(engine), connectRoutes(engine)],
    hijacks: [],
  });
  const found = new Map<string, Route>();
  for (const { method, path } of [...app.routes, ...hijackRoutes]) {
    if (path === "*" || path === "/*") continue;
    const each = method === "ALL" ? "POST" : method;
    const body = BODIES[`${each} ${path}`];
    found.set(`${each} ${path}`, { method: each, path, ...(body ? { body } : {}) });
  }
  const lost = Object.keys(BODIES).filter((key) => !found.has(key));
  if (lost.length > 0) throw new Error(`not in the route table any more: ${lost.join(", ")}`);
  return [...found.values()];
}
