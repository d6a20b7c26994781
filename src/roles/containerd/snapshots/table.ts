// The table of an unpacked layer, beside its directory: what `bunker system verify` holds it against.
import { dirname, join } from "node:path";
import type { Descriptor, Labels } from "../../../wire/containerd/services.ts";

/** What a table says of its layer: enough to bring it again. */
export interface LayerHeader {
  layer: Descriptor;
  diffId: string;
  /** Labels that say which registries have it. */
  source: Labels;
}

/** Where the table of the snapshot whose directory (`…/<number>/fs`) that is lies. */
export const tableOf = (directory: string): string => join(dirname(directory), "table.jsonl");
