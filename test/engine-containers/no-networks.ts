// A network part without networks: only host, none and other containers' can be joined.
import { NetworkError, type NetworkInfo, type Networks } from "../../src/roles/engine/network/types.ts";

const known: NetworkInfo[] = (["host", "none"] as const).map((name) => ({
  id: (name === "host" ? "a" : "b").repeat(64),
  name,
  driver: name === "host" ? "host" : "null",
  created: new Date(0),
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  pools: [],
  ipamDriver: "default",
  ipamOptions: {},
  configOnly: false,
  configFrom: "",
  options: {},
  labels: {},
  endpoints: [],
}));

const nothing = (): Promise<never> => Promise.reject(new NetworkError("no networks here", 400));

export const noNetworks: Networks = {
  async start() {},
  list: () => known,
  get(name) {
    const found = known.find((network) => network.name === name || network.id === name);
    if (!found) throw new NetworkError(`network ${name} not found`, 404);
    return found;
  },
  idOf: (name) => known.find((network) => network.name === name || network.id === name)?.id,
  create: nothing,
  remove: nothing,
  allocate: nothing,
  async attach() {},
  async release() {},
  endpoints: () => [],
  async rename() {},
  explain: async () => ({ table: "", ports: [], endpoints: [] }),
  reconcile: async () => [],
  async stop() {},
};
