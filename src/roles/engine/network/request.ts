// `docker network create`: a request becomes a network's record, or a refusal in docker's words.
import type { NetlinkSocket } from "../../../../ffi/netlink/socket.ts";
import { type Catalog, newId, OPTION } from "./catalog.ts";
import type { NetworkOptions } from "./options.ts";
import { parentOf } from "./parent.ts";
import type { Pool } from "./pools.ts";
import type { StoredNetwork } from "./store.ts";
import { planPools } from "./subnets.ts";
import { type NetworkCreate, NetworkError, type NetworkInfo } from "./types.ts";

export const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);

export interface PlanContext {
  catalog: Catalog;
  socket: NetlinkSocket;
  pools: readonly Pool[];
  options: NetworkOptions;
}

function checkName(catalog: Catalog, name: string): void {
  if (PREDEFINED.has(name)) {
    throw new NetworkError(`operation is not permitted on predefined ${name} network`, 403);
  }
  // Anything else may be a name, as with docker: it is never a path, nor a name of the kernel's.
  if (name.trim() === "") throw new NetworkError("invalid name: name is empty", 400);
  if (catalog.byName(name)) throw new NetworkError(`network with name ${name} already exists`, 409);
}

function checkDriver(driver: string): "bridge" | "macvlan" | "ipvlan" {
  if (driver === "bridge" || driver === "macvlan" || driver === "ipvlan") return driver;
  if (driver === "host" || driver === "null") {
    throw new NetworkError(`only one instance of "${driver}" network is allowed`, 403);
  }
  throw new NetworkError(
    `could not find plugin ${driver} in v1 plugin registry: plugin not found (this engine has the drivers bridge, host, ipvlan, macvlan and null)`,
    404,
  );
}

const MODES = new Set(["", "nat", "nat-unprotected", "routed", "isolated"]);
const BOOLEAN = /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/;

function checkOptions(options: Readonly<Record<string, string>>, internal: boolean): void {
  const mtu = options[OPTION.mtu];
  if (mtu !== undefined && !(/^\d+$/.test(mtu) && Number(mtu) >= 68 && Number(mtu) <= 65535)) {
    throw new NetworkError(`failed to parse ${OPTION.mtu} value: ${JSON.stringify(mtu)}`, 400);
  }
  for (const key of [OPTION.icc, OPTION.masquerade, OPTION.inhibit4] as const) {
    const value = options[key];
    if (value !== undefined && !BOOLEAN.test(value)) {
      throw new NetworkError(`failed to parse ${key} value: ${JSON.stringify(value)} is no boolean`, 400);
    }
  }
  for (const key of [OPTION.mode4, OPTION.mode6] as const) {
    const value = options[key] ?? "";
    if (!MODES.has(value))
      throw new NetworkError(`failed to parse ${key} value: unknown gateway mode ${value}`, 400);
    if (value === "isolated" && !internal) {
      throw new NetworkError("gateway mode 'isolated' can only be used for an internal network", 400);
    }
  }
  const prefix = options[OPTION.interfacePrefix];
  if (prefix !== undefined && !/^[^\s/:]{1,12}$/.test(prefix)) {
    throw new NetworkError(`invalid ${OPTION.interfacePrefix}: ${JSON.stringify(prefix)}`, 400);
  }
}

function bridgeNameOf(catalog: Catalog, id: string, options: Readonly<Record<string, string>>): string {
  const name = options[OPTION.name] || `br-${id.slice(0, 12)}`;
  if (name.length > 15 || /[/\s:]/.test(name)) {
    throw new NetworkError(`invalid bridge name ${JSON.stringify(name)}: 1 to 15 characters`, 400);
  }
  const other = catalog.networks().find(({ bridge }) => bridge?.name === name);
  if (other) {
    throw new NetworkError(
      `cannot create network ${id} (${name}): conflicts with network ${other.stored.id} (${name}): networks have same bridge name`,
      403,
    );
  }
  return name;
}

/** A request that takes its settings from a network made with --config-only. Throws NetworkError. */
function withConfigFrom(catalog: Catalog, request: NetworkCreate): NetworkCreate {
  if (!request.configFrom) return request;
  const { stored } = catalog.find(request.configFrom);
  if (!stored.configOnly) {
    throw new NetworkError(`configuration source network ${stored.name} is not a configuration network`, 400);
  }
  if (request.configOnly) {
    throw new NetworkError("a configuration network cannot depend on another configuration network", 400);
  }
  const own = Object.keys(request.options ?? {}).length + Object.keys(request.labels ?? {}).length;
  if (own > 0 || request.pools?.length || request.internal) {
    throw new NetworkError(
      "user specified configurations are not supported if the network depends on a configuration network",
      400,
    );
  }
  const { ipv4, ipv6, pools, ipamDriver, ipamOptions, internal, attachable, options, labels } = stored;
  return { ...request, ipv4, ipv6, pools, ipamDriver, ipamOptions, internal, attachable, options, labels };
}

/** Decides everything about a new network; changes nothing. Throws NetworkError. */
export function planNetwork(context: PlanContext, asked: NetworkCreate): StoredNetwork {
  const { catalog } = context;
  checkName(catalog, asked.name);
  const request = withConfigFrom(catalog, asked);
  const id = newId();
  const options = { ...context.options.defaultNetworkOpts?.[request.driver || "bridge"], ...request.options };
  const ipv4 = request.ipv4 ?? true;
  const ipv6 = request.ipv6 ?? false;
  const ipamDriver = request.ipamDriver || "default";
  if (ipamDriver !== "default" && ipamDriver !== "null") {
    throw new NetworkError(`could not find IPAM driver ${ipamDriver}: plugin not found`, 404);
  }
  const plain = {
    id,
    name: request.name,
    created: new Date().toISOString(),
    internal: request.internal ?? false,
    attachable: request.attachable ?? false,
    ipv4,
    ipv6,
    ipamDriver,
    ipamOptions: request.ipamOptions ?? null,
    options,
    labels: request.labels ?? {},
    configOnly: request.configOnly ?? false,
    configFrom: asked.configFrom ? catalog.find(asked.configFrom).stored.name : "",
  };
  if (plain.configOnly) {
    const pools = (request.pools ?? []).filter((pool) => pool.subnet !== undefined) as StoredNetwork["pools"];
    return { ...plain, driver: "" as NetworkInfo["driver"], pools };
  }
  const driver = checkDriver(request.driver || "bridge");
  checkOptions(options, plain.internal);
  const bridge = driver === "bridge" ? { name: bridgeNameOf(catalog, id, options) } : undefined;
  const parent = driver === "bridge" ? undefined : parentOf(context, id, driver, options);
  if (driver !== "bridge" && options["parent"] === undefined) plain.internal = true;
  if (!ipv4 && !ipv6) throw new NetworkError("IPv4 or IPv6 must be enabled", 400);
  const { pools, hasIpv6 } = planPools(context, request, { ipv4, ipv6, driver, internal: plain.internal });
  return {
    ...plain,
    ipv6: ipv6 || hasIpv6,
    driver,
    pools,
    ...(bridge ? { bridge } : {}),
    ...(parent ? { parent } : {}),
  };
}
