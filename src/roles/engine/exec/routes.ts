// /exec, but for the start, which is hijacked.
import { Hono } from "hono";
import { execCreate } from "../../../spec/engine/exec.ts";
import { roomOf } from "../containers/index.ts";
import type { Engine } from "../engine.ts";
import { badRequest } from "../errors.ts";
import { integer, type RouteEnv, readBody } from "../server/request.ts";
import { atLeast } from "../server/version.ts";
import { createExec, resizeExec } from "./verbs.ts";

export function execRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  app.post("/containers/:id/exec", async (c) => {
    const room = roomOf(engine);
    const config = await readBody(c, execCreate, "ExecOptions");
    const asked = atLeast(c.get("apiVersion"), "1.42") ? config : { ...config, ConsoleSize: undefined };
    const exec = createExec(room, room.registry.get(c.req.param("id")), asked);
    return c.json({ Id: exec.id }, 201);
  });
  app.get("/exec/:id/json", (c) => c.json(roomOf(engine).execs.get(c.req.param("id")).inspect()));
  app.post("/exec/:id/resize", async (c) => {
    const room = roomOf(engine);
    const width = integer(c.req.query("w"), "w");
    const height = integer(c.req.query("h"), "h");
    if (width === undefined || height === undefined) throw badRequest("invalid resize: h and w are needed");
    await resizeExec(room, room.execs.get(c.req.param("id")), width, height);
    return c.body(null, 200);
  });
  return app;
}
