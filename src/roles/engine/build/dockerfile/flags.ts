// The "--name=value" words in front of an instruction's arguments.
import { DockerfileError } from "./error.ts";
import type { Node } from "./parse.ts";

export interface KnownFlags {
  /** Take a value, once. */
  values?: readonly string[];
  /** Are there or not; "=true" and "=false" may follow. */
  switches?: readonly string[];
  /** Take a value each time. */
  lists?: readonly string[];
}

/** An instruction's flags by name; a switch that is off is not among them. */
export class Flags {
  readonly #found = new Map<string, string[]>();

  /** Throws DockerfileError for flags that the instruction does not know. */
  constructor(node: Node, { values = [], switches = [], lists = [] }: KnownFlags) {
    for (const flag of node.flags) {
      const [, name = "", value] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(flag) ?? [];
      if (![...values, ...switches, ...lists].includes(name)) {
        throw new DockerfileError(`unknown flag: --${name}`);
      }
      const earlier = this.#found.get(name);
      if (earlier && !lists.includes(name)) throw new DockerfileError(`duplicate flag specified: ${name}`);
      if (switches.includes(name)) {
        if (value !== undefined && value !== "true" && value !== "false") {
          throw new DockerfileError(`expecting boolean value for flag ${name}, not: ${value}`);
        }
        if (value !== "false") this.#found.set(name, ["true"]);
        continue;
      }
      if (value === undefined) throw new DockerfileError(`missing a value on flag: --${name}`);
      this.#found.set(name, [...(earlier ?? []), value]);
    }
  }

  has(name: string): boolean {
    return this.#found.has(name);
  }

  /** "" when it was not given. */
  get(name: string): string {
    return this.#found.get(name)?.[0] ?? "";
  }

  all(name: string): string[] {
    return this.#found.get(name) ?? [];
  }
}

/** For instructions without flags. Throws DockerfileError. */
export function noFlags(node: Node): void {
  new Flags(node, {});
}
