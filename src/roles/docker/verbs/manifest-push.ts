import { formatReference, fullName, parseReference } from "../../../wire/distribution/reference.ts";
import type { Command } from "../command.ts";
import { listDocument } from "../manifest/list.ts";
import { ManifestWriter } from "../manifest/registry.ts";
import { documentBytes, ManifestStore, readName } from "../manifest/store.ts";

export const pushManifestList: Command = {
  use: "[OPTIONS] MANIFEST_LIST",
  short: "Push a manifest list to a repository",
  flags: [
    { name: "insecure", kind: "bool", usage: "Allow push to an insecure registry" },
    { name: "purge", short: "p", kind: "bool", usage: "Remove the local manifest list after push" },
  ],
  args: { min: 1, max: 1 },
  anyAddress: true,
  async run({ cli, flags, args }) {
    const target = readName(args[0]!);
    const store = new ManifestStore(cli.directory);
    const manifests = store.list(target);
    if (manifests.length === 0) throw new Error(`${formatReference(target)} not found`);
    const list = listDocument(manifests, target, true);
    // What lies in another repository of the registry has to be in this one before a list may name it.
    const foreign = manifests
      .map((manifest) => ({ manifest, path: parseReference(manifest.Ref).path }))
      .filter(({ path }) => path !== target.path)
      .map((one) => ({ ...one, bytes: documentBytes(one.manifest) }));
    const writer = await ManifestWriter.open(cli, target, flags.bool("insecure"), [
      ...new Set(foreign.map(({ path }) => path)),
    ]);
    for (const { manifest, path } of foreign) {
      const { config, layers } = (manifest.SchemaV2Manifest ?? manifest.OCIManifest)!;
      for (const { digest } of [config, ...layers]) {
        // Layers of Windows images may be the registry's to refuse.
        if (!(await writer.mount(digest, path)) && manifest.Descriptor.platform?.os !== "windows") {
          throw new Error(`error mounting ${path}@${digest} to ${formatReference(target)}`);
        }
      }
    }
    for (const { manifest, bytes } of foreign) {
      const { digest, mediaType } = manifest.Descriptor;
      const stored = await writer.put({ ...target, tag: undefined, digest }, mediaType, bytes);
      cli.out(`Pushed ref ${fullName(target)}@${digest} with digest: ${stored}\n`);
    }
    cli.out(`${await writer.put(target, list.mediaType, new TextEncoder().encode(list.text))}\n`);
    if (flags.bool("purge")) store.remove(target);
    return 0;
  },
};
