// /networks, over the network part's own interface. Who joins and leaves is containers/connect-routes.ts.
import { Hono } from "hono";
import { type IpamConfig, type NetworkInspect, networkCreate } from "../../../spec/engine/network.ts";
import type { Engine } from "../engine.ts";
import { badRequest, forbidden } from "../errors.ts";
import type { IpamPool, NetworkInfo } from "../network/types.ts";
import { Filters, type RouteContext, type RouteEnv, readBody } from "../server/request.ts";
import { atLeast } from "../server/version.ts";
import { parseTime } from "./time.ts";

const FILTERS = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"] as const;
const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);

function ipamConfig({ subnet, gateway, ipRange, auxiliary }: IpamPool): IpamConfig {
  return {
    Subnet: subnet,
    ...(ipRange ? { IPRange: ipRange } : {}),
    ...(gateway ? { Gateway: gateway } : {}),
    ...(auxiliary ? { AuxiliaryAddresses: auxiliary } : {}),
  };
}

const withPrefix = (address: string, prefix: number): string =>
  address === "" ? "" : `${address}/${prefix}`;

/** The list leaves Containers empty, as the real engine does. */
export function inspectNetwork(network: NetworkInfo, withContainers: boolean): NetworkInspect {
  const noPools = network.driver === "host" || network.driver === "null";
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created.toISOString(),
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: network.ipamDriver,
      Options: PREDEFINED.has(network.name) ? null : network.ipamOptions,
      Config: noPools ? null : network.pools.map(ipamConfig),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom },
    ConfigOnly: network.configOnly,
    Containers: withContainers
      ? Object.fromEntries(
          network.endpoints.map((endpoint) => [
            endpoint.containerId,
            {
              Name: endpoint.containerName,
              EndpointID: endpoint.endpointId,
              MacAddress: endpoint.macAddress,
              IPv4Address: withPrefix(endpoint.ipAddress, endpoint.ipPrefixLen),
              IPv6Address: withPrefix(endpoint.ip6Address, endpoint.ip6PrefixLen),
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

  const list = (c: RouteContext): NetworkInspect[] => {
    const filters = Filters.parse(c.req.query("filters")).allow(FILTERS);
    // Since then only the inspection of one tells who is on it.
    const withContainers = !atLeast(c.get("apiVersion"), "1.28");
    for (const type of filters.get("type")) {
      if (type !== "custom" && type !== "builtin") throw badRequest(`invalid filter: 'type'='${type}'`);
    }
    return networks
      .list()
      .filter((network) => passes(network, filters))
      .map((network) => inspectNetwork(network, withContainers));
  };
  app.get("/networks", (c) => c.json(list(c)));
  app.get("/networks/", (c) => c.json(list(c)));

  app.post("/networks/create", async (c) => {
    const body = await readBody(c, networkCreate, "NetworkCreateRequest");
    if (body.Ingress || body.Scope === "swarm") {
      throw badRequest("swarm mode is not implemented");
    }
    if (PREDEFINED.has(body.Name)) {
      throw forbidden(`operation is not permitted on predefined ${body.Name} network`);
    }
    const network = await networks.create({
      name: body.Name,
      driver: body.Driver || "bridge",
      ...(atLeast(c.get("apiVersion"), "1.48") ? { ipv4: body.EnableIPv4 } : {}),
      ipv6: body.EnableIPv6,
      pools: (body.IPAM?.Config ?? []).map((config) => ({
        subnet: config.Subnet || undefined,
        gateway: config.Gateway || undefined,
        ipRange: config.IPRange || undefined,
        auxiliary: config.AuxiliaryAddresses ?? undefined,
      })),
      ipamDriver: body.IPAM?.Driver || undefined,
      ipamOptions: body.IPAM?.Options,
      internal: body.Internal,
      attachable: body.Attachable,
      options: body.Options ?? {},
      labels: body.Labels ?? {},
      configOnly: body.ConfigOnly,
      configFrom: body.ConfigFrom?.Network,
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
      if (PREDEFINED.has(network.name) || network.configOnly || network.endpoints.length > 0) continue;
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
  return app;
}
