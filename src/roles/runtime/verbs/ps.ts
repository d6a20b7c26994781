import { print } from "../../../../ffi/output.ts";
import { cgroupPids } from "../cgroup/container.ts";
import { RuntimeError } from "../errors.ts";
import { text } from "../flags.ts";
import type { Verb } from "./verb.ts";

export const ps: Verb = {
  about: "ps displays the processes running inside a container",
  usage: "<container-id> [ps options]",
  flags: {
    format: {
      names: ["format", "f"],
      kind: "text",
      about: "select one of: table or json",
      fallback: "table",
    },
  },
  arguments: { min: 1, max: Number.POSITIVE_INFINITY },
  async run({ parsed, store }) {
    const state = store.read(parsed.rest[0]!);
    const pids = cgroupPids(state.cgroup_paths);
    const format = text(parsed, "format") ?? "table";
    if (format === "json") {
      print(`${JSON.stringify(pids)}\n`);
      return 0;
    }
    if (format !== "table") throw new RuntimeError("invalid format option");
    const options = parsed.rest.slice(1);
    const child = Bun.spawnSync(["ps", ...(options.length > 0 ? options : ["-ef"])], {
      // COLUMNS, TZ, PS_FORMAT and others are the caller's to choose.
      env: { PATH: "/usr/bin:/bin", ...process.env },
    });
    if (child.exitCode !== 0)
      throw new RuntimeError(`exit status ${child.exitCode}: ${child.stdout}${child.stderr}`);
    const lines = child.stdout.toString().split("\n");
    const column = lines[0]?.trim().split(/\s+/).indexOf("PID") ?? -1;
    if (column < 0) throw new RuntimeError("couldn't find PID field in ps output");
    const wanted = new Set(pids.map(String));
    const shown = lines.filter((line, i) => i === 0 || wanted.has(line.trim().split(/\s+/)[column] ?? ""));
    print(`${shown.join("\n")}\n`);
    return 0;
  },
};
