import type { Command } from "../command.ts";
import { checkIp, checkLink } from "../create/checks.ts";
import { keyValues } from "../create/files.ts";
import { endpointSettings } from "../create/network.ts";

export const connect: Command = {
  use: "[OPTIONS] NETWORK CONTAINER",
  short: "Connect a container to a network",
  flags: [
    { name: "alias", kind: "list", shows: "strings", usage: "Add network-scoped alias for the container" },
    { name: "driver-opt", kind: "list", shows: "strings", usage: "driver options for the network" },
    { name: "gw-priority", kind: "int", usage: "Highest gw-priority provides the default gateway" },
    { name: "ip", kind: "string", usage: 'IPv4 address (e.g., "172.30.100.104")' },
    { name: "ip6", kind: "string", usage: 'IPv6 address (e.g., "2001:db8::33")' },
    { name: "link", kind: "list", check: checkLink, usage: "Add link to another container" },
    {
      name: "link-local-ip",
      kind: "list",
      shows: "strings",
      check: checkIp,
      usage: "Add a link-local address for the container",
    },
  ],
  args: { min: 2, max: 2 },
  async run({ cli, flags, args }) {
    const [network = "", container = ""] = args;
    await cli.client.done("POST", `/networks/${encodeURIComponent(network)}/connect`, {
      json: {
        Container: container,
        EndpointConfig: endpointSettings({
          target: network,
          aliases: [...flags.list("alias")],
          driverOpts: keyValues(flags.list("driver-opt")),
          links: [...flags.list("link")],
          ipv4: flags.string("ip"),
          ipv6: flags.string("ip6"),
          linkLocal: [...flags.list("link-local-ip")],
          mac: "",
          priority: flags.number("gw-priority"),
        }),
      },
    });
    return 0;
  },
};

export const disconnect: Command = {
  use: "[OPTIONS] NETWORK CONTAINER",
  short: "Disconnect a container from a network",
  flags: [
    { name: "force", short: "f", kind: "bool", usage: "Force the container to disconnect from a network" },
  ],
  args: { min: 2, max: 2 },
  async run({ cli, flags, args }) {
    const [network = "", container = ""] = args;
    await cli.client.done("POST", `/networks/${encodeURIComponent(network)}/disconnect`, {
      json: { Container: container, Force: flags.bool("force") },
    });
    return 0;
  },
};
