// /networks, over the network part's own interface.
import { Hono } from "hono";
import {
  type NetworkInspect,
  networkConnect,
  networkCreate,
  networkDisconnect,
} from "../../../spec/engine/network.ts";
import type { Engine } from "../engine.ts";
import { badRequest, forbidden, notImplemented } from "../errors.ts";
import type { NetworkInfo } from "../network/types.ts";
import { Filters, type RouteEnv, readBody } from "../server/request.ts";
import { parseTime } from "./time.ts";

const FILTERS = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"] as const;
const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);

/** The list leaves Containers empty, as the real engine does. */
export function inspectNetwork(network: NetworkInfo, withContainers: boolean): NetworkInspect {
  const config =
    network.subnet === undefined
      ? null
      : [{ Subnet: network.subnet, ...(network.gateway ? { Gateway: network.gateway } : {}) }];
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created.toISOString(),
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: PREDEFINED.has(network.name) ? null : {}, Config: config },
    Internal: network.internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: withContainers
      ? Object.fromEntries(
          network.endpoints.map((endpoint) => [
            endpoint.containerId,
            {
              Name: endpoint.containerName,
              EndpointID: endpoint.endpointId,
              MacAddress: endpoint.macAddress,
              IPv4Address: endpoint.ipAddress === "" ? "" : `${endpoint.ipAddress}/${endpoint.ipPrefixLen}`,
              IPv6Address: "",
            },
          ]),
        )
      : {},
    Options: network.options,
    Labels: network.labels,
  };
}

function passes(network: NetworkInfo, filters: Filters): boolean {
  const custom = !PREDEFINED.has(network.name);
  const dangling = filters.flag("dangling");
  return (
    filters.any("id", (id) => network.id.startsWith(id)) &&
    filters.any("name", (part) => network.name.includes(part)) &&
    filters.any("driver", (driver) => network.driver === driver) &&
    filters.any("scope", (scope) => scope === "local") &&
    filters.any("type", (type) => (type === "custom" ? custom : type === "builtin" && !custom)) &&
    (dangling === undefined || dangling === (custom && network.endpoints.length === 0)) &&
    filters.labels(network.labels)
  );
}

export function networkRoutes(engine: Engine): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  const { networks } = engine;

  const list = (text: string | undefined): NetworkInspect[] => {
    const filters = Filters.parse(text).allow(FILTERS);
    return networks
      .list()
      .filter((network) => passes(network, filters))
      .map((network) => inspectNetwork(network, false));
  };
  app.get("/networks", (c) => c.json(list(c.req.query("filters"))));
  app.get("/networks/", (c) => c.json(list(c.req.query("filters"))));

  app.post("/networks/create", async (c) => {
    const body = await readBody(c, networkCreate, "NetworkCreateRequest");
    if (body.EnableIPv6) throw badRequest("IPv6 networks are not implemented");
    if (body.ConfigOnly || body.ConfigFrom?.Network) {
      throw badRequest("config-only networks are not implemented");
    }
    if (body.Ingress || body.Scope === "swarm") {
      throw badRequest("swarm mode is not implemented");
    }
    const pools = body.IPAM?.Config ?? [];
    if (pools.length > 1) throw badRequest("bridge driver doesn't support multiple subnets");
    if (PREDEFINED.has(body.Name)) {
      throw forbidden(`operation is not permitted on predefined ${body.Name} network`);
    }
    const network = await networks.create({
      name: body.Name,
      driver: body.Driver || "bridge",
      subnet: pools[0]?.Subnet,
      gateway: pools[0]?.Gateway,
      internal: body.Internal,
      options: body.Options ?? {},
      labels: body.Labels ?? {},
    });
    engine.events.publish("network", "create", {
      ID: network.id,
      Attributes: { name: network.name, type: network.driver },
    });
    return c.json({ Id: network.id, Warning: "" }, 201);
  });

  app.post("/networks/prune", async (c) => {
    const filters = Filters.parse(c.req.query("filters")).allow(["label", "label!", "until"]);
    const until = filters.get("until").map((text) => Number(parseTime(text) / 1_000_000n));
    const deleted: string[] = [];
    for (const network of networks.list()) {
      if (PREDEFINED.has(network.name) || network.endpoints.length > 0) continue;
      if (!filters.labels(network.labels) || until.some((time) => network.created.getTime() > time)) continue;
      await networks.remove(network.id);
      deleted.push(network.name);
    }
    engine.events.publish("network", "prune", { ID: "", Attributes: { reclaimed: "0" } });
    return c.json({ NetworksDeleted: deleted });
  });

  app.get("/networks/:id", (c) => c.json(inspectNetwork(networks.get(c.req.param("id")), true)));

  app.delete("/networks/:id", async (c) => {
    const network = networks.get(c.req.param("id"));
    await networks.remove(network.id);
    engine.events.publish("network", "destroy", {
      ID: network.id,
      Attributes: { name: network.name, type: network.driver },
    });
    return c.body(null, 204);
  });

  app.post("/networks/:id/connect", async (c) => {
    await readBody(c, networkConnect, "NetworkConnectRequest");
    throw notImplemented("connecting a container to a further network is not implemented");
  });
  app.post("/networks/:id/disconnect", async (c) => {
    await readBody(c, networkDisconnect, "NetworkDisconnectRequest");
    throw notImplemented("disconnecting a container from a network is not implemented");
  });
  return app;
}
