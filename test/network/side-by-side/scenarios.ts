// What a user does with networks, and what he sees: each scenario is played on Debian's dockerd and on ours.
import { HOST_IP, HOST_IP6, NEIGHBOUR_IP, NEIGHBOUR_IP6 } from "../world.ts";
import type { Place } from "./place.ts";

export interface Scenario {
  name: string;
  /** Plays it; what it returns is compared. */
  observe(place: Place): Promise<unknown>;
  /** Where ours is to differ from Debian's 20.10: these fields of what is observed, and after whom. */
  differs?: { ours: unknown; why: string };
}

const GATEWAY = /^default via (\S+)/m;

const reach: Scenario[] = [
  {
    name: "TCP published on all addresses: the neighbour is seen with its own address, the host by the gateway's",
    async observe(place) {
      await place.container("web", "-p", "8080:80");
      await place.serve({ container: "web" }, "web", 80);
      return {
        neighbour: await place.visit("neighbour", HOST_IP, 8080),
        host: await place.visit("host", HOST_IP, 8080),
        loopback: await place.visit("host", "127.0.0.1", 8080),
        port: await place.must("port", "web"),
      };
    },
  },
  {
    name: "UDP published",
    async observe(place) {
      await place.container("dns", "-p", "5353:53/udp");
      await place.serve({ container: "dns" }, "dns", 53, "udp");
      return [
        await place.visit("neighbour", HOST_IP, 5353, "udp"),
        await place.visit("host", "127.0.0.1", 5353, "udp"),
      ];
    },
  },
  {
    name: "published on 127.0.0.1: nobody else",
    async observe(place) {
      await place.container("web", "-p", "127.0.0.1:8080:80");
      await place.serve({ container: "web" }, "web", 80);
      return {
        loopback: await place.visit("host", "127.0.0.1", 8080),
        host: await place.visit("host", HOST_IP, 8080),
        neighbour: await place.visit("neighbour", HOST_IP, 8080),
        port: await place.must("port", "web"),
      };
    },
  },
  {
    name: "a container reaches the world by the host's address",
    async observe(place) {
      await place.container("one");
      await place.serve("neighbour", "world", 9000);
      await place.serve("neighbour", "world", 9001, "udp");
      return [
        await place.visit({ container: "one" }, NEIGHBOUR_IP, 9000),
        await place.visit({ container: "one" }, NEIGHBOUR_IP, 9001, "udp"),
      ];
    },
  },
  {
    name: "hairpin: a container and its sibling reach a published port at the host's address",
    async observe(place) {
      await place.container("web", "-p", "8080:80");
      await place.container("sibling");
      await place.serve({ container: "web" }, "web", 80);
      return [
        await place.visit({ container: "web" }, HOST_IP, 8080),
        await place.visit({ container: "sibling" }, HOST_IP, 8080),
      ];
    },
  },
  {
    name: "two networks: names and addresses on one and not across two",
    async observe(place) {
      for (const name of ["front", "back"]) await place.must("network", "create", name);
      await place.container("web", "--network", "front", "--network-alias", "www");
      await place.container("peer", "--network", "front");
      await place.container("db", "--network", "back");
      await place.container("plain");
      await place.serve({ container: "web" }, "web", 80);
      const web = await place.address("web", "front");
      const id = (await place.must("inspect", "-f", "{{.Id}}", "web")).slice(0, 12);
      const found = async (from: string, name: string) => {
        const addresses = await place.lookup(from, name);
        return addresses.map((address) => (address === web ? "web" : address));
      };
      const peer = await place.address("peer", "front");
      const seen = (text: string) => text.replace(peer, "PEER");
      return {
        name: await found("peer", "web"),
        alias: await found("peer", "www"),
        id: await found("peer", id),
        qualified: await found("peer", "web.front"),
        across: await found("db", "web"),
        "on the default bridge": (await place.must("exec", "plain", "cat", "/etc/resolv.conf")).includes(
          "127.0.0.11",
        ),
        reverse: (await place.must("exec", "peer", "nslookup", web)).match(/name = (\S+)/)?.[1],
        "address, same network": seen(await place.visit({ container: "peer" }, web, 80)),
        "address, other network": await place.visit({ container: "db" }, web, 80),
        "address, default bridge": await place.visit({ container: "plain" }, web, 80),
      };
    },
  },
  {
    name: "another network's container and a published port at the host's address",
    async observe(place) {
      await place.must("network", "create", "other");
      await place.container("web", "-p", "8080:80");
      await place.container("visitor", "--network", "other");
      await place.serve({ container: "web" }, "web", 80);
      // Debian's by its proxy, ours by translation: the source is an address of the host's either way.
      return (await place.visit({ container: "visitor" }, HOST_IP, 8080)).replace(/ \S+$/, " ADDRESS");
    },
  },
  {
    name: "an internal network is sealed both ways, and whole within",
    async observe(place) {
      await place.must("network", "create", "--internal", "sealed");
      await place.container("one", "--network", "sealed", "-p", "8080:80");
      await place.container("two", "--network", "sealed");
      await place.serve({ container: "one" }, "one", 80);
      await place.serve("neighbour", "world", 9000);
      return {
        sibling: (await place.visit({ container: "two" }, await place.address("one", "sealed"), 80)).replace(
          await place.address("two", "sealed"),
          "TWO",
        ),
        name: (await place.lookup("two", "one")).length,
        "to the world": await place.visit({ container: "one" }, NEIGHBOUR_IP, 9000),
        "from the world": await place.visit("neighbour", HOST_IP, 8080),
        "default route": (await place.ip({ container: "one" }, "route")).match(GATEWAY)?.[1],
        ports: await place.must("port", "one"),
      };
    },
    differs: {
      ours: { "default route": undefined },
      why: "28 gives containers of internal networks no gateway: daemon/libnetwork/drivers/bridge/bridge_linux.go, Join",
    },
  },
  {
    name: "icc=false: no sibling, but the world and published ports",
    async observe(place) {
      await place.must("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "apart");
      await place.container("one", "--network", "apart", "-p", "8080:80");
      await place.container("two", "--network", "apart");
      await place.serve({ container: "one" }, "one", 80);
      await place.serve("neighbour", "world", 9000);
      return {
        sibling: await place.visit({ container: "two" }, await place.address("one", "apart"), 80),
        world: await place.visit({ container: "two" }, NEIGHBOUR_IP, 9000),
        published: await place.visit("neighbour", HOST_IP, 8080),
      };
    },
  },
  {
    name: "IPv6: published with the source address, masqueraded, neighbours discovered, names",
    async observe(place) {
      await place.must("network", "create", "--ipv6", "--subnet", "fd00:77::/64", "six");
      await place.container("web", "--network", "six", "-p", "8080:80", "-p", "5353:53/udp");
      await place.container("peer", "--network", "six");
      await place.must("network", "create", "--ipv6", "--subnet", "fd00:78::/64", "other");
      await place.container("stranger", "--network", "other");
      await place.serve({ container: "web" }, "web", 80);
      await place.serve({ container: "web" }, "dns", 53, "udp");
      await place.serve("neighbour", "world", 9000);
      const web = await place.address("web", "six", "GlobalIPv6Address");
      return {
        address: web,
        gateway: await place.address("web", "six", "IPv6Gateway"),
        sibling: await place.visit({ container: "peer" }, web, 80),
        stranger: await place.visit({ container: "stranger" }, web, 80),
        neighbour: await place.visit("neighbour", HOST_IP6, 8080),
        "neighbour, UDP": await place.visit("neighbour", HOST_IP6, 5353, "udp"),
        "to the world": await place.visit({ container: "web" }, NEIGHBOUR_IP6, 9000),
        discovered: /fd00:77::3 dev eth0 lladdr/.test(await place.ip({ container: "web" }, "-6", "neigh")),
        route: (await place.ip({ container: "web" }, "-6", "route")).match(GATEWAY)?.[1],
        name: await place.lookup("peer", "web", "aaaa"),
      };
    },
  },
  {
    name: "a container without IPv6 is reached at the host's IPv6 addresses, through the proxy",
    async observe(place) {
      await place.container("web", "-p", "8080:80", "-p", "5353:53/udp");
      await place.serve({ container: "web" }, "web", 80);
      await place.serve({ container: "web" }, "dns", 53, "udp");
      return {
        // Who asks cannot be seen through a proxy: the gateway's address is.
        neighbour: await place.visit("neighbour", HOST_IP6, 8080),
        loopback: await place.visit("host", "::1", 8080),
        "neighbour, UDP": await place.visit("neighbour", HOST_IP6, 5353, "udp"),
      };
    },
  },
  {
    name: "MTU of a network is the container's and the bridge's",
    async observe(place) {
      await place.must(
        "network",
        "create",
        "-o",
        "com.docker.network.driver.mtu=1234",
        "-o",
        "com.docker.network.bridge.name=slim0",
        "slim",
      );
      await place.container("one", "--network", "slim");
      const mtu = (text: string) => text.match(/mtu (\d+)/)?.[1];
      return [
        mtu(await place.ip({ container: "one" }, "link", "show", "eth0")),
        mtu(await place.ip("host", "link", "show", "slim0")),
      ];
    },
  },
  {
    name: "macvlan: a container on the host's link, seen by the neighbour and not by the host",
    async observe(place) {
      const options = ["--subnet", "198.51.100.0/24", "--gateway", NEIGHBOUR_IP, "-o", "parent=lan0"];
      await place.must("network", "create", "-d", "macvlan", ...options, "link");
      await place.container("one", "--network", "link", "--ip", "198.51.100.50", "-p", "8080:80");
      await place.container("two", "--network", "link", "--ip", "198.51.100.51");
      await place.serve({ container: "one" }, "one", 80);
      await place.serve("neighbour", "world", 9000);
      return {
        neighbour: await place.visit("neighbour", "198.51.100.50", 80),
        sibling: await place.visit({ container: "two" }, "198.51.100.50", 80),
        host: await place.visit("host", "198.51.100.50", 80),
        "to the world": await place.visit({ container: "one" }, NEIGHBOUR_IP, 9000),
        name: await place.lookup("two", "one"),
        ports: await place.must("port", "one"),
        route: (await place.ip({ container: "one" }, "route")).match(GATEWAY)?.[1],
      };
    },
  },
  {
    name: "macvlan and ipvlan: what is refused",
    async observe(place) {
      const create = (driver: string, ...options: string[]) =>
        place.refusal("network", "create", "-d", driver, ...options, "x");
      return {
        mode: await create("macvlan", "-o", "parent=lan0", "-o", "macvlan_mode=odd"),
        loopback: await create("macvlan", "-o", "parent=lo"),
      };
    },
  },
];

const ports: Scenario[] = [
  {
    name: "ranges of ports, paired and to choose from",
    async observe(place) {
      await place.container("paired", "-p", "8100-8102:80-82");
      await place.container("first", "-p", "8110-8119:80");
      await place.container("second", "-p", "8110-8119:80");
      await place.container("both", "-p", "8120:80/tcp", "-p", "8120:80/udp");
      const of = async (name: string) => (await place.must("port", name)).split("\n").sort();
      return [await of("paired"), await of("first"), await of("second"), await of("both")];
    },
  },
  {
    name: "ephemeral ports and --publish-all",
    async observe(place) {
      await place.container("one", "-p", "80", "-P", "--expose", "90/udp", "--expose", "100-101");
      const text = await place.must("port", "one");
      const numbers = [...text.matchAll(/:(\d+)$/gm)].map(([, number]) => Number(number));
      const outside = numbers.filter((number) => number < 32768 || number > 60999);
      return [text.replaceAll(/:\d+$/gm, ":EPHEMERAL").split("\n").sort(), outside];
    },
  },
  {
    name: "two containers that ask for one port: the second is refused, and nothing of it is half-set",
    async observe(place) {
      await place.container("first", "-p", "8080:80");
      const run = [
        "run",
        "-d",
        "--name",
        "second",
        "-p",
        "8081:81",
        "-p",
        "8080:80",
        place.image,
        "sleep",
        "9",
      ];
      const refusal = await place.refusal(...run);
      const state = await place.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "second");
      const members = await place.must("network", "inspect", "-f", "{{len .Containers}}", "bridge");
      // What the second would have had of its own is free for a third one.
      await place.container("third", "-p", "8081:81");
      await place.must("rm", "-f", "first", "third");
      await place.must("start", "second");
      await place.serve({ container: "second" }, "second", 80);
      return { refusal, state, members, "once it is free": await place.visit("neighbour", HOST_IP, 8080) };
    },
  },
  {
    name: "a port that another program of the host has",
    async observe(place) {
      await place.serve("host", "other", 8080);
      const run = ["run", "-d", "--name", "one", "-p", "8080:80", place.image, "sleep", "9"];
      return { refusal: await place.refusal(...run), still: await place.visit("neighbour", HOST_IP, 8080) };
    },
    differs: {
      ours: {
        refusal:
          "driver failed programming external connectivity on endpoint one (ID): failed to bind host port 0.0.0.0:8080/tcp: address already in use",
      },
      why: "28's engine binds the port itself: daemon/libnetwork/portallocator/osallocator_linux.go",
    },
  },
];

const life: Scenario[] = [
  {
    name: "addresses asked for",
    async observe(place) {
      await place.must(
        "network",
        "create",
        "--subnet",
        "10.71.0.0/24",
        "--ip-range",
        "10.71.0.128/25",
        "--aux-address",
        "nas=10.71.0.129",
        "n",
      );
      await place.container("ranged", "--network", "n");
      await place.container("fixed", "--network", "n", "--ip", "10.71.0.7");
      const run = (...options: string[]) => place.refusal("run", "-d", ...options, place.image, "sleep", "9");
      return {
        ranged: await place.address("ranged", "n"),
        fixed: [await place.address("fixed", "n"), await place.address("fixed", "n", "MacAddress")],
        taken: await run("--network", "n", "--ip", "10.71.0.7"),
        outside: await run("--network", "n", "--ip", "10.99.0.7"),
        "on the default bridge": await run("--ip", "172.17.0.9"),
        "of the gateway": await run("--network", "n", "--ip", "10.71.0.128"),
      };
    },
    differs: {
      ours: {
        outside:
          "invalid config for network n: invalid endpoint settings:\nno configured subnet contains IP address 10.99.0.7",
      },
      why: "28's words: daemon/container_operations.go, validateEndpointIPAddress",
    },
  },
  {
    name: "joining and leaving while it runs",
    async observe(place) {
      for (const [name, subnet] of [
        ["a", "10.72.0.0/24"],
        ["b", "10.73.0.0/24"],
      ] as const)
        await place.must("network", "create", "--subnet", subnet, name);
      await place.container("one", "--network", "b");
      const look = async () => ({
        links: [
          ...(await place.ip({ container: "one" }, "-o", "-4", "address")).matchAll(/(eth\d)\s+inet (\S+)/g),
        ].map(([, name, address]) => `${name} ${address}`),
        route: (await place.ip({ container: "one" }, "route")).match(GATEWAY)?.[1],
      });
      const before = await look();
      await place.must("network", "connect", "--ip", "10.72.0.9", "--alias", "uno", "a", "one");
      const joined = await look();
      const again = await place.refusal("network", "connect", "a", "one");
      await place.must("network", "disconnect", "b", "one");
      const left = await look();
      const gone = await place.refusal("network", "disconnect", "b", "one");
      return { before, joined, again, left, gone };
    },
  },
  {
    name: "host, none and another container's network",
    async observe(place) {
      await place.container("own");
      await place.container("host", "--network", "host");
      await place.container("none", "--network", "none");
      await place.container("shared", "--network", "container:own");
      const names = async (container: string) =>
        [...(await place.ip({ container }, "-o", "link")).matchAll(/^\d+: (\w+)/gm)].map(([, name]) => name);
      const exec = (name: string, ...command: string[]) => place.must("exec", name, ...command);
      return {
        host: (await names("host")).includes("lan0"),
        none: await names("none"),
        shared: await names("shared"),
        hostname: (await exec("shared", "hostname")) === (await exec("own", "hostname")),
        "ports on it": await place.refusal(
          "run",
          "-d",
          "--network",
          "container:own",
          "-p",
          "1:1",
          place.image,
        ),
        "joins another": await place.refusal("network", "connect", "bridge", "shared"),
        "leaves host": await place.refusal("network", "disconnect", "host", "host"),
        "joins host": await place.refusal("network", "connect", "host", "own"),
      };
    },
    differs: {
      ours: {
        "leaves host":
          "cannot disconnect container from host network - container was created in host network mode",
        "joins host":
          "cannot connect container to host network - container must be created in host network mode",
      },
      why: "28's words: daemon/container_operations.go",
    },
  },
  {
    name: "links on the default bridge: names, variables, and found again at another address",
    async observe(place) {
      await place.container("db", "--expose", "5432", "-e", "SECRET=x");
      await place.container("web", "--link", "db:data");
      const address = await place.address("db");
      const id = (await place.must("inspect", "-f", "{{.Id}}", "db")).slice(0, 12);
      const hosts = async () =>
        (await place.must("exec", "web", "cat", "/etc/hosts"))
          .split("\n")
          .filter((line) => line.includes("data"))
          .map((line) => line.replaceAll(address, "DB").replaceAll(id, "ID"));
      const variables = (await place.must("exec", "web", "env"))
        .split("\n")
        .filter((line) => line.startsWith("DATA_"))
        .map((line) => line.replaceAll(address, "DB"))
        .sort();
      const ping = await place.docker("exec", "web", "ping", "-c1", "-W2", "data");
      const links = await place.must("inspect", "-f", "{{json .HostConfig.Links}}", "web");
      const before = await hosts();
      // The linked container comes back at another address.
      await place.must("stop", "-t", "0", "db");
      await place.container("squatter");
      await place.must("start", "db");
      const moved = (await place.address("db")) !== address;
      const line = await place.must("exec", "web", "grep", "data", "/etc/hosts");
      return {
        hosts: before,
        variables,
        ping: ping.code,
        links,
        moved,
        after: line.startsWith(`${await place.address("db")}\t`),
        names: (await place.must("ps", "--no-trunc", "--filter", "name=db", "--format", "{{.Names}}")).split(
          ",",
        ),
        "to what stopped":
          (await place.must("stop", "-t", "0", "db", "web")) && (await place.refusal("start", "web")),
        "to nobody": await place.refusal("run", "--link", "nobody", place.image, "true"),
        "taken away": await place.must("rm", "--link", "/web/data"),
        left: await place.must("inspect", "-f", "{{json .HostConfig.Links}}", "web"),
      };
    },
  },
  {
    name: "networks that cannot be, and such as are in use",
    async observe(place) {
      await place.must("network", "create", "--subnet", "10.74.0.0/24", "taken");
      await place.container("user", "--network", "taken");
      const create = (...options: string[]) => place.refusal("network", "create", ...options);
      return {
        name: await create("taken"),
        overlap: await create("--subnet", "10.74.0.128/25", "x"),
        "no CIDR": await create("--subnet", "10.75.0.0", "x"),
        gateway: await create("--subnet", "10.75.0.0/24", "--gateway", "10.76.0.1", "x"),
        "in use": await place.refusal("network", "rm", "taken"),
        predefined: await place.refusal("network", "rm", "bridge"),
        unknown: await place.refusal("network", "rm", "nowhere"),
        "run on unknown": await place.refusal("run", "--network", "nowhere", place.image, "true"),
      };
    },
    differs: {
      ours: {
        overlap: "invalid pool request: Pool overlaps with other one on this address space",
        "no CIDR": "invalid network config:\ninvalid subnet 10.75.0.0: invalid CIDR block notation",
        "in use":
          'error while removing network: network taken has active endpoints (name:"user" id:ID)\nexit status 1',
      },
      why: "28's words: daemon/network.go, validateIpamConfig; daemon/libnetwork/error.go, ipams/defaultipam/allocator.go",
    },
  },
  {
    name: "the shape of networks and of a container's endpoints in the API",
    async observe(place) {
      await place.must("network", "create", "--label", "a=b", "--subnet", "10.77.0.0/24", "shop");
      await place.container("web", "--network", "shop", "-p", "8080:80");
      type Shown = Record<string, unknown> & { IPAM: { Config: unknown[] } };
      const network = (await place.get("/networks/shop")) as Shown;
      const container = (await place.get("/containers/web/json")) as { NetworkSettings: object };
      return { network: shape(network), settings: shape(container.NetworkSettings) };
    },
    differs: {
      ours: {
        network: {
          EnableIPv4: true,
          IPAM: { Config: [{ Gateway: "10.77.0.1", Subnet: "10.77.0.0/24" }] },
        },
        settings: {
          Networks: { shop: { Aliases: ["SHORT"], DNSNames: ["web", "SHORT"], GwPriority: 0 } },
        },
      },
      why: "28 tells the gateway it chose (daemon/network.go, buildIPAMResources) and has new fields",
    },
  },
];

/** What can be compared of a value: ids, times and the like are only kinds. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape);
  if (value === null || typeof value !== "object") {
    if (typeof value !== "string") return value;
    if (/^[0-9a-f]{64}$/.test(value)) return "ID";
    if (/^\d{4}-\d\d-\d\dT/.test(value)) return "TIME";
    if (/^([0-9a-f]{2}:){5}/.test(value)) return "MAC";
    if (/^[0-9a-f]{12}$/.test(value)) return "SHORT";
    return value.replace(/^\/(.*\/netns\/\w+|proc\/\d+\/ns\/net)$/, "PATH");
  }
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [/^[0-9a-f]{64}$/.test(key) ? "ID" : key, shape(inner)] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}

export const SCENARIOS: readonly Scenario[] = [...reach, ...ports, ...life];
