import { formatReference, type Reference } from "../../../wire/distribution/reference.ts";
import type { Cli } from "../cli.ts";
import { any, type Command } from "../command.ts";
import { reason } from "../errors.ts";
import { ManifestReader } from "../manifest/registry.ts";
import { type ImageManifest, ManifestStore, NoSuchManifest, readName } from "../manifest/store.ts";

/** A manifest from the list as it is kept here, else from the registry. */
async function look(
  cli: Cli,
  store: ManifestStore,
  list: Reference,
  reference: Reference,
  insecure: boolean,
): Promise<ImageManifest> {
  try {
    const kept = store.get(list, reference);
    if (kept.Raw) return kept;
  } catch (error) {
    if (!(error instanceof NoSuchManifest)) throw error;
  }
  const found = await (await ManifestReader.open(cli, reference, insecure)).read();
  if ("list" in found) throw new Error(`${formatReference(reference)} is a manifest list`);
  return found.image;
}

export const createManifestList: Command = {
  use: "MANIFEST_LIST MANIFEST [MANIFEST...]",
  short: "Create a local manifest list for annotating and pushing to a registry",
  flags: [
    { name: "amend", short: "a", kind: "bool", usage: "Amend an existing manifest list" },
    { name: "insecure", kind: "bool", usage: "Allow communication with an insecure registry" },
  ],
  args: { min: 2, max: any },
  anyAddress: true,
  async run({ cli, flags, args }) {
    const [listName = "", ...names] = args;
    let list: Reference;
    try {
      list = readName(listName);
    } catch (error) {
      throw new Error(`error parsing name for manifest list ${listName}: ${reason(error)}`);
    }
    const store = new ManifestStore(cli.directory);
    if (store.has(list) && !flags.bool("amend")) {
      throw new Error("refusing to amend an existing manifest list with no --amend flag");
    }
    for (const name of names) {
      const reference = readName(name);
      store.save(list, reference, await look(cli, store, list, reference, flags.bool("insecure")));
    }
    cli.out(`Created manifest list ${formatReference(list)}\n`);
    return 0;
  },
};
