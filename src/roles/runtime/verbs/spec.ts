import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec } from "../default-spec.ts";
import { RuntimeError } from "../errors.ts";
import { flag, text } from "../flags.ts";
import type { Verb } from "./verb.ts";

export const spec: Verb = {
  about: "create a new specification file",
  usage: "",
  flags: {
    bundle: { names: ["bundle", "b"], kind: "text", about: "path to the root of the bundle directory" },
    rootless: {
      names: ["rootless"],
      kind: "boolean",
      about: "generate a configuration for a rootless container",
    },
  },
  arguments: { min: 0, max: 0 },
  async run({ parsed }) {
    const path = join(text(parsed, "bundle") ?? ".", "config.json");
    if (existsSync(path)) throw new RuntimeError("File config.json exists. Remove it first");
    writeFileSync(path, JSON.stringify(defaultSpec(flag(parsed, "rootless")), null, "\t"), { mode: 0o666 });
    return 0;
  },
};
