import type { Command } from "../command.ts";

export const updateVolume: Command = {
  use: "[OPTIONS] [VOLUME]",
  short: "Update a volume (cluster volumes only)",
  flags: [
    {
      name: "availability",
      kind: "string",
      default: "active",
      usage: 'Cluster Volume availability ("active", "pause", "drain")',
    },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const path = `/volumes/${encodeURIComponent(args[0]!)}`;
    const volume = await cli.client.json<{ ClusterVolume?: { Version: { Index: number }; Spec: object } }>(
      "GET",
      path,
    );
    if (!volume.ClusterVolume) throw new Error("Can only update cluster volumes");
    const { Version: version, Spec: spec } = volume.ClusterVolume;
    await cli.client.done("PUT", path, {
      query: { version: version.Index },
      json: {
        Spec: flags.changed("availability") ? { ...spec, Availability: flags.string("availability") } : spec,
      },
    });
    return 0;
  },
};
