import { any, type Command } from "../command.ts";
import { each } from "../errors.ts";
import { ManifestStore, readName } from "../manifest/store.ts";

export const removeManifestLists: Command = {
  use: "MANIFEST_LIST [MANIFEST_LIST...]",
  short: "Delete one or more manifest lists from local storage",
  flags: [],
  args: { min: 1, max: any },
  anyAddress: true,
  async run({ cli, args }) {
    const store = new ManifestStore(cli.directory);
    const remove = async (name: string) => {
      const list = readName(name);
      store.list(list);
      store.remove(list);
    };
    return each(args, remove, (line) => cli.err(line));
  },
};
