// The "--name=value" words in front of an instruction's arguments.
import { DockerfileError } from "./error.ts";
import type { Node } from "./parse.ts";

const NEEDS_BUILDKIT = (flag: string): DockerfileError =>
  new DockerfileError(
    `the --${flag} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled`,
  );

/** Flags by name. Unknown ones, and those that only BuildKit knows, are refused. */
export function flagsOf(node: Node, known: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const flag of node.flags) {
    const [, name = "", value] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(flag) ?? [];
    if (["security", "link", "parents", "exclude", "keep-git-dir", "unpack"].includes(name)) {
      throw NEEDS_BUILDKIT(name);
    }
    if (!known.includes(name)) throw new DockerfileError(`unknown flag: --${name}`);
    if (found.has(name)) throw new DockerfileError(`duplicate flag specified: ${name}`);
    if (value === undefined) throw new DockerfileError(`missing a value on flag: --${name}`);
    found.set(name, value);
  }
  return found;
}
