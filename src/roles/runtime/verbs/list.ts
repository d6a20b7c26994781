import { print } from "../../../../ffi/output.ts";
import { RuntimeError } from "../errors.ts";
import { flag, text } from "../flags.ts";
import { log } from "../log.ts";
import { table } from "../table.ts";
import { describe, ownerOf } from "./state.ts";
import type { Verb } from "./verb.ts";

export const list: Verb = {
  about: "lists containers started by runc with the given root",
  usage: "",
  flags: {
    format: {
      names: ["format", "f"],
      kind: "text",
      about: "select one of: table or json",
      fallback: "table",
    },
    quiet: { names: ["quiet", "q"], kind: "boolean", about: "display only container IDs" },
  },
  arguments: { min: 0, max: 0 },
  async run({ parsed, store }) {
    const ids = store.list();
    if (flag(parsed, "quiet")) {
      print(ids.map((id) => `${id}\n`).join(""));
      return 0;
    }
    const all = ids.flatMap((id) => {
      try {
        return [{ ...describe(store, store.read(id)), owner: ownerOf(store, id) }];
      } catch (error) {
        // Deleted meanwhile, or unreadable: the others are still to be seen.
        log("warning", `load container ${id}: ${(error as Error).message}`);
        return [];
      }
    });
    const format = text(parsed, "format") ?? "table";
    if (format === "json") print(`${JSON.stringify(all)}\n`);
    else if (format === "table")
      print(
        table([
          ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
          ...all.map((one) => [one.id, String(one.pid), one.status, one.bundle, one.created, one.owner]),
        ]),
      );
    else throw new RuntimeError("invalid format option");
    return 0;
  },
};
