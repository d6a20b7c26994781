// `exec --cgroup`: cgroups below the container's own, which are there already.
import { RuntimeError } from "../errors.ts";
import type { CgroupPaths } from "./paths.ts";

/** The container's paths with the sub-cgroups of `words` ("[controller[,controller]:]path") in them. Throws RuntimeError. */
export function subCgroups(paths: CgroupPaths, words: readonly string[]): CgroupPaths {
  const out = { ...paths };
  const seen = new Set<string>();
  for (const word of words) {
    const parts = word.split(":");
    if (parts.length > 2) throw new RuntimeError(`invalid --cgroup argument: ${word}`);
    if (parts.length === 1) {
      if (words.length !== 1)
        throw new RuntimeError(`invalid --cgroup argument: ${word} (missing <controller>: prefix)`);
      for (const [controller, path] of Object.entries(paths)) out[controller] = below(path, word);
      continue;
    }
    for (const controller of parts[0]!.split(",")) {
      if (seen.has(controller))
        throw new RuntimeError(
          `invalid --cgroup argument(s): controller ${controller} specified multiple times`,
        );
      seen.add(controller);
      const path = paths[controller];
      if (path === undefined) throw new RuntimeError(`unknown controller ${controller} in SubCgroupPaths`);
      out[controller] = below(path, parts[1]!);
    }
  }
  return out;
}

/** Never the container's parent or anything beside it, whatever the path holds. */
function below(own: string, sub: string): string {
  const names: string[] = [];
  for (const name of sub.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined) throw new RuntimeError(`${own}/${sub} is not a sub cgroup path`);
  }
  return [own, ...names].join("/");
}
