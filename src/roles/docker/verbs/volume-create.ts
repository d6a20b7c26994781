import type { VolumeInspect } from "../../../spec/engine/volume.ts";
import type { Command } from "../command.ts";
import { checkLabel } from "../create/checks.ts";
import { keyValues } from "../create/files.ts";
import type { Flag, Flags } from "../flags/flagset.ts";

const clusterFlags: readonly Flag[] = [
  {
    name: "availability",
    kind: "string",
    default: "active",
    usage: 'Cluster Volume availability ("active", "pause", "drain")',
  },
  { name: "group", kind: "string", usage: "Cluster Volume group (cluster volumes)" },
  { name: "limit-bytes", kind: "bytes", usage: "Minimum size of the Cluster Volume in bytes" },
  { name: "required-bytes", kind: "bytes", usage: "Maximum size of the Cluster Volume in bytes" },
  {
    name: "scope",
    kind: "string",
    default: "single",
    usage: 'Cluster Volume access scope ("single", "multi")',
  },
  { name: "secret", kind: "list", shows: "map", usage: "Cluster Volume secrets" },
  {
    name: "sharing",
    kind: "string",
    default: "none",
    usage: 'Cluster Volume access sharing ("none", "readonly", "onewriter", "all")',
  },
  {
    name: "topology-preferred",
    kind: "list",
    usage: "A topology that the Cluster Volume would be preferred in",
  },
  {
    name: "topology-required",
    kind: "list",
    usage: "A topology that the Cluster Volume must be accessible from",
  },
  { name: "type", kind: "string", default: "block", usage: 'Cluster Volume access type ("mount", "block")' },
];

/** The spec of a swarm's volume, when one of its flags was given: the engine says whether it has a swarm. */
function clusterSpec(flags: Flags): object | undefined {
  if (!clusterFlags.some(({ name }) => flags.changed(name))) return undefined;
  const topologies = (name: string) =>
    flags.list(name).map((one) => ({ Segments: keyValues(one.split(",")) }));
  const secrets = Object.entries(keyValues(flags.list("secret"))).map(([Key, Secret]) => ({ Key, Secret }));
  const [required, preferred] = [topologies("topology-required"), topologies("topology-preferred")];
  return {
    Group: flags.string("group") || undefined,
    AccessMode: {
      Scope: flags.string("scope"),
      Sharing: flags.string("sharing"),
      ...(flags.string("type") === "mount" ? { MountVolume: {} } : { BlockVolume: {} }),
    },
    AccessibilityRequirements: {
      ...(required.length > 0 ? { Requisite: required } : {}),
      ...(preferred.length > 0 ? { Preferred: preferred } : {}),
    },
    CapacityRange: {
      RequiredBytes: flags.number("required-bytes"),
      LimitBytes: flags.number("limit-bytes"),
    },
    Secrets: secrets.length > 0 ? secrets : undefined,
    Availability: flags.string("availability"),
  };
}

export const createVolume: Command = {
  use: "[OPTIONS] [VOLUME]",
  short: "Create a volume",
  flags: [
    ...clusterFlags,
    { name: "driver", short: "d", kind: "string", default: "local", usage: "Specify volume driver name" },
    { name: "label", kind: "list", check: checkLabel, usage: "Set metadata for a volume" },
    { name: "name", kind: "string", hidden: true, usage: "Specify volume name" },
    { name: "opt", short: "o", kind: "list", shows: "map", usage: "Set driver specific options" },
  ].sort((a, b) => (a.name < b.name ? -1 : 1)) as Flag[],
  args: { min: 0, max: 1 },
  async run({ cli, flags, args }) {
    if (args.length > 0 && flags.string("name") !== "") {
      throw new Error(
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    }
    const volume = await cli.client.json<VolumeInspect>("POST", "/volumes/create", {
      json: {
        ClusterVolumeSpec: clusterSpec(flags),
        Driver: flags.string("driver"),
        DriverOpts: keyValues(flags.list("opt")),
        Labels: keyValues(flags.list("label")),
        Name: (args[0] ?? flags.string("name")) || undefined,
      },
    });
    cli.out(`${volume.Name}\n`);
    return 0;
  },
};
