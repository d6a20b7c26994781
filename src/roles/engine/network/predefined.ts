// The networks that are always there: host, none and bridge. Which interface and subnets bridge has on this host is decided
// anew at every start, unless containers run on it.
import { Catalog, newId, OPTION } from "./catalog.ts";
import { electDefaultBridge } from "./default-bridge.ts";
import type { Kernel } from "./kernel.ts";
import type { Pool } from "./pools.ts";
import { PREDEFINED } from "./request.ts";
import type { StoredEndpoint, StoredNetwork } from "./store.ts";

const yesNo = (value: boolean | undefined) => String(value !== false);

const blank = () => ({
  id: newId(),
  created: new Date().toISOString(),
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  ipamDriver: "default",
  ipamOptions: {},
  labels: {},
  configOnly: false,
  configFrom: "",
});

function plain(previous: StoredNetwork | undefined, name: string, driver: "host" | "null"): StoredNetwork {
  return previous ?? { ...blank(), name, driver, options: {}, pools: [] };
}

/** All networks of this start: what was stored, with the predefined ones made right. Throws when bridge cannot be as asked. */
export function withPredefined(
  networks: readonly StoredNetwork[],
  endpoints: readonly StoredEndpoint[],
  live: ReadonlySet<string>,
  kernel: Kernel,
  pools: readonly Pool[],
): StoredNetwork[] {
  const { options, instance } = kernel;
  const previous = (name: string) => networks.find((network) => network.name === name);
  const others = networks.filter(({ name }) => !PREDEFINED.has(name));
  const rest = [plain(previous("host"), "host", "host"), plain(previous("none"), "none", "null"), ...others];
  if (options.bridge === "none") return rest;
  const last = previous("bridge");
  const catalog = new Catalog();
  for (const network of others) catalog.add(network);
  const elected = electDefaultBridge({
    socket: kernel.route,
    options,
    instance,
    stored: last,
    inUse: endpoints.some(
      ({ endpoint }) => endpoint.networkId === last?.id && live.has(endpoint.containerId),
    ),
    pools,
    taken: catalog.subnets(),
  });
  const shown: Record<string, string> = {
    [OPTION.defaultBridge]: "true",
    [OPTION.icc]: yesNo(options.icc),
    [OPTION.masquerade]: yesNo(options.ipMasq),
    [OPTION.hostBinding]:
      options.ip && options.ip !== "0.0.0.0" ? options.ip : options.defaultPublishAddress || "0.0.0.0",
    [OPTION.name]: elected.bridge.name,
    [OPTION.mtu]: String(options.mtu || 1500),
  };
  return [
    {
      ...blank(),
      ...last,
      name: "bridge",
      driver: "bridge",
      ipv6: elected.pools.length > 1,
      options: shown,
      ...elected,
    },
    ...rest,
  ];
}
