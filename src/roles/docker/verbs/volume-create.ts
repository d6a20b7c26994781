import type { VolumeInspect } from "../../../spec/engine/volume.ts";
import type { Command } from "../command.ts";
import { checkLabel } from "../create/checks.ts";
import { keyValues } from "../create/files.ts";

export const createVolume: Command = {
  use: "[OPTIONS] [VOLUME]",
  short: "Create a volume",
  flags: [
    { name: "driver", short: "d", kind: "string", default: "local", usage: "Specify volume driver name" },
    { name: "label", kind: "list", check: checkLabel, usage: "Set metadata for a volume" },
    { name: "name", kind: "string", hidden: true, usage: "Specify volume name" },
    { name: "opt", short: "o", kind: "list", shows: "map", usage: "Set driver specific options" },
  ],
  args: { min: 0, max: 1 },
  async run({ cli, flags, args }) {
    if (args.length > 0 && flags.string("name") !== "") {
      throw new Error(
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    }
    const volume = await cli.client.json<VolumeInspect>("POST", "/volumes/create", {
      json: {
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
