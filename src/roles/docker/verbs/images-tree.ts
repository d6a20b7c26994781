// `docker images --tree`, loaded only when it is asked for.
import { isatty } from "../../../../ffi/terminal.ts";
import type { ImageSummary } from "../../../spec/engine/image.ts";
import type { Cli } from "../cli.ts";
import { filterQuery } from "../flags/filter.ts";
import type { Flags } from "../flags/flagset.ts";
import { imageTree } from "../format/image-tree.ts";
import { terminalSize } from "../session/terminal.ts";

/** Flags that the tree does not know, by what the complaint calls them. */
const NOT_WITH = [
  ["quiet", "quiet"],
  ["no-trunc", "no-trunc"],
  ["digests", "show-digest"],
  ["format", "format"],
] as const;

const dangling = ({ RepoTags: tags, RepoDigests: digests }: ImageSummary): boolean =>
  [tags, digests].every((names) => (names ?? []).every((name) => name.startsWith("<none>")));

/** Prints the tree. Throws in docker's words when a flag does not go with it. */
export async function showTree(cli: Cli, flags: Flags, names: readonly string[]): Promise<number> {
  for (const [flag, name] of NOT_WITH) {
    if (flags.changed(flag)) throw new Error(`--${name} is not yet supported with --tree`);
  }
  const all = flags.bool("all");
  const filters = [...flags.list("filter"), ...names.map((name) => `reference=${name}`)];
  const images = await cli.client.json<ImageSummary[]>("GET", "/images/json", {
    query: { all: all || undefined, filters: filterQuery(filters), manifests: true },
  });
  cli.out(
    imageTree(all ? images : images.filter((image) => !dangling(image)), {
      terminal: isatty(1),
      columns: terminalSize()?.[1] ?? 0,
    }),
  );
  return 0;
}
