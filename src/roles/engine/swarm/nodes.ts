// /nodes: this one.
import { Hono } from "hono";
import { z } from "zod";
import { string, stringMap } from "../../../spec/engine/go-json.ts";
import type { Engine } from "../engine.ts";
import { ApiError, badRequest } from "../errors.ts";
import { Filters, integer, type RouteEnv, readBody } from "../server/request.ts";
import { systemInfo } from "../system/info.ts";
import { checkVersion, find } from "./cluster.ts";

const spec = z.object({ Name: string, Labels: stringMap, Role: string, Availability: string });

async function shown(engine: Engine) {
  const { ID, Version, CreatedAt, UpdatedAt, Labels, Availability, Name, address } = engine.swarm.active.node;
  const { NCPU, MemTotal, Architecture, ServerVersion } = await systemInfo(engine);
  return {
    ID,
    Version: { Index: Version },
    CreatedAt,
    UpdatedAt,
    Spec: { Labels, Role: "manager", Availability },
    Description: {
      Hostname: Name,
      Platform: { Architecture, OS: "linux" },
      Resources: { NanoCPUs: NCPU * 1e9, MemoryBytes: MemTotal },
      Engine: { EngineVersion: ServerVersion },
    },
    Status: { State: "ready", Addr: address },
    ManagerStatus: { Leader: true, Reachability: "reachable", Addr: `${address}:2377` },
  };
}

export function nodeRoutes(engine: Engine): Hono<RouteEnv> {
  const { swarm } = engine;
  const app = new Hono<RouteEnv>();
  const named = (text: string) => find([swarm.active.node], "node", text);
  app.get("/nodes", async (c) => {
    const { node } = swarm.active;
    const filters = Filters.parse(c.req.query("filters"));
    filters.allow(["id", "label", "membership", "name", "node.label", "role"]);
    const suits =
      filters.any("id", (id) => node.ID.startsWith(id)) &&
      filters.any("name", (name) => node.Name.startsWith(name)) &&
      filters.any("role", (role) => role === "manager") &&
      filters.any("membership", (membership) => membership === "accepted");
    return c.json(suits ? [await shown(engine)] : []);
  });
  app.get("/nodes/:id", async (c) => {
    named(c.req.param("id"));
    return c.json(await shown(engine));
  });
  app.delete("/nodes/:id", (c) => {
    const { ID } = named(c.req.param("id"));
    throw new ApiError(
      400,
      `rpc error: code = FailedPrecondition desc = node ${ID} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
    );
  });
  app.post("/nodes/:id/update", async (c) => {
    const node = named(c.req.param("id"));
    const version = integer(c.req.query("version"), "version");
    if (version === undefined) throw badRequest("invalid node version ''");
    const { Labels, Role, Availability } = await readBody(c, spec, "NodeSpec");
    if (Role === "worker") {
      throw badRequest(
        "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm",
      );
    }
    if (Role !== "manager") throw badRequest(`invalid Role: ${JSON.stringify(Role)}`);
    if (Availability !== "active" && Availability !== "pause" && Availability !== "drain") {
      throw badRequest(`invalid Availability: ${JSON.stringify(Availability)}`);
    }
    checkVersion(node, version);
    swarm.change((next, index, now) => {
      Object.assign(next.node, { Labels: Labels ?? {}, Availability, Version: index, UpdatedAt: now });
    });
    return c.body(null, 200);
  });
  return app;
}
