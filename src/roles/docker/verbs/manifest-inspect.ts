import type { Reference } from "../../../wire/distribution/reference.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import { listDocument } from "../manifest/list.ts";
import { type Found, ManifestReader } from "../manifest/registry.ts";
import { documentBytes, ManifestStore, readName } from "../manifest/store.ts";

/** A list's manifest, a list kept here, or what the registry has by that name: in this order. */
async function look(
  cli: Cli,
  list: string | undefined,
  reference: Reference,
  insecure: boolean,
): Promise<Found> {
  const store = new ManifestStore(cli.directory);
  if (list !== undefined) return { image: store.get(readName(list), reference) };
  if (store.has(reference)) return { list: store.list(reference) };
  return (await ManifestReader.open(cli, reference, insecure)).read();
}

function shown(found: Found, reference: Reference, verbose: boolean): string {
  if (verbose) return JSON.stringify("list" in found ? found.list : found.image, undefined, "\t");
  if ("list" in found) return listDocument(found.list, reference, false).text;
  const document: unknown = JSON.parse(new TextDecoder().decode(documentBytes(found.image)));
  return JSON.stringify(document, undefined, "\t");
}

export const inspectManifest: Command = {
  use: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
  short: "Display an image manifest, or manifest list",
  flags: [
    { name: "insecure", kind: "bool", usage: "Allow communication with an insecure registry" },
    {
      name: "verbose",
      short: "v",
      kind: "bool",
      usage: "Output additional info including layers and platform",
    },
  ],
  args: { min: 1, max: 2 },
  anyAddress: true,
  async run({ cli, flags, args }) {
    const reference = readName(args.at(-1)!);
    const found = await look(cli, args.length > 1 ? args[0] : undefined, reference, flags.bool("insecure"));
    cli.out(`${shown(found, reference, flags.bool("verbose"))}\n`);
    return 0;
  },
};
