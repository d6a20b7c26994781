import type { IpamConfig } from "../../../spec/engine/network.ts";
import type { Command } from "../command.ts";
import { checkLabel } from "../create/checks.ts";
import { keyValues } from "../create/files.ts";
import type { Flags } from "../flags/flagset.ts";

function contains(subnet: string, address: string): boolean {
  const [base = "", bits = ""] = subnet.split("/");
  const value = (text: string): bigint | undefined => {
    const parts = text.split(".").map(Number);
    if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
      return undefined;
    return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  };
  const left = value(base);
  const right = value(address.split("/")[0]!);
  if (left !== undefined && right !== undefined) {
    const shift = 32n - BigInt(bits || "32");
    return left >> shift === right >> shift;
  }
  // IPv6: the engine checks; here only the family has to fit.
  return base.includes(":") && address.includes(":");
}

/** --subnet, --ip-range, --gateway, --aux-address, matched to each other by address. */
function ipamConfigs(flags: Flags): IpamConfig[] {
  const configs = flags.list("subnet").map((Subnet): IpamConfig => ({ Subnet }));
  const ranges = flags.list("ip-range");
  const gateways = flags.list("gateway");
  if (configs.length < ranges.length || configs.length < gateways.length) {
    throw new Error("every ip-range or gateway must have a corresponding subnet");
  }
  const find = (address: string, what: string): IpamConfig => {
    const config = configs.find((one) => contains(one.Subnet!, address));
    if (!config) throw new Error(`no matching subnet for ${what} ${address}`);
    return config;
  };
  for (const range of ranges) {
    const config = find(range, "range");
    if (config.IPRange)
      throw new Error(
        `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
      );
    config.IPRange = range;
  }
  for (const gateway of gateways) {
    const config = find(gateway, "gateway");
    if (config.Gateway)
      throw new Error(
        `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
      );
    config.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(keyValues(flags.list("aux-address")))) {
    const config = find(address, "aux-address");
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return configs;
}

export const createNetwork: Command = {
  use: "[OPTIONS] NETWORK",
  short: "Create a network",
  flags: [
    { name: "attachable", kind: "bool", usage: "Enable manual container attachment" },
    {
      name: "aux-address",
      kind: "list",
      shows: "map",
      usage: "Auxiliary IPv4 or IPv6 addresses used by Network driver",
    },
    { name: "config-from", kind: "string", usage: "The network from which to copy the configuration" },
    { name: "config-only", kind: "bool", usage: "Create a configuration only network" },
    { name: "driver", short: "d", kind: "string", default: "bridge", usage: "Driver to manage the Network" },
    { name: "gateway", kind: "list", shows: "strings", usage: "IPv4 or IPv6 Gateway for the master subnet" },
    { name: "ingress", kind: "bool", usage: "Create swarm routing-mesh network" },
    { name: "internal", kind: "bool", usage: "Restrict external access to the network" },
    { name: "ip-range", kind: "list", shows: "strings", usage: "Allocate container ip from a sub-range" },
    { name: "ipam-driver", kind: "string", default: "default", usage: "IP Address Management Driver" },
    { name: "ipam-opt", kind: "list", shows: "map", usage: "Set IPAM driver specific options" },
    { name: "ipv4", kind: "bool", default: true, usage: "Enable or disable IPv4 address assignment" },
    { name: "ipv6", kind: "bool", usage: "Enable or disable IPv6 address assignment" },
    { name: "label", kind: "list", check: checkLabel, usage: "Set metadata on a network" },
    { name: "opt", short: "o", kind: "list", shows: "map", usage: "Set driver specific options" },
    { name: "scope", kind: "string", usage: "Control the network's scope" },
    {
      name: "subnet",
      kind: "list",
      shows: "strings",
      usage: "Subnet in CIDR format that represents a network segment",
    },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const from = flags.string("config-from");
    const created = await cli.client.json<{ Id: string; Warning?: string }>("POST", "/networks/create", {
      json: {
        Name: args[0],
        CheckDuplicate: (await cli.client.speaks("1.44")) ? undefined : true,
        Driver: flags.string("driver"),
        Scope: flags.string("scope"),
        EnableIPv4: flags.changed("ipv4") ? flags.bool("ipv4") : undefined,
        EnableIPv6: flags.changed("ipv6") ? flags.bool("ipv6") : undefined,
        IPAM: {
          Driver: flags.string("ipam-driver"),
          Options: keyValues(flags.list("ipam-opt")),
          Config: ipamConfigs(flags),
        },
        Internal: flags.bool("internal"),
        Attachable: flags.bool("attachable"),
        Ingress: flags.bool("ingress"),
        ConfigOnly: flags.bool("config-only"),
        ConfigFrom: from === "" ? undefined : { Network: from },
        Options: keyValues(flags.list("opt")),
        Labels: keyValues(flags.list("label")),
      },
    });
    if (created.Warning) cli.err(`WARNING: ${created.Warning}\n`);
    cli.out(`${created.Id}\n`);
    return 0;
  },
};
