// Build arguments: what `--build-arg` gave, what ARG declared, and which of them a RUN sees.
import { formatPlatform, hostPlatform, type PlatformSpec } from "../../../spec/oci/platform.ts";
import type { Lookup } from "./dockerfile/words.ts";

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
/** Taken without being declared, and kept out of the cache and the history unless they are. */
const BUILTIN: ReadonlySet<string> = new Set(PROXIES.flatMap((name) => [name, name.toLowerCase()]));

export type GivenArgs = Readonly<Record<string, string | null>>;

/** TARGETARCH and its like, for those that declare them. */
function platformArgs(target: PlatformSpec): Map<string, string> {
  const args = new Map<string, string>();
  for (const [prefix, platform] of [
    ["TARGET", target],
    ["BUILD", hostPlatform],
  ] as const) {
    args.set(`${prefix}PLATFORM`, formatPlatform(platform));
    args.set(`${prefix}OS`, platform.os);
    args.set(`${prefix}ARCH`, platform.architecture);
    args.set(`${prefix}VARIANT`, platform.variant ?? "");
  }
  return args;
}

export class BuildArgs {
  readonly #stage = new Map<string, string | undefined>();

  private constructor(
    private readonly given: GivenArgs,
    /** Declared before the first FROM: defaults for the stages that declare them again. */
    private readonly meta: Map<string, string>,
    private readonly referenced: Set<string>,
  ) {}

  static of(given: GivenArgs, platform: PlatformSpec): BuildArgs {
    return new BuildArgs(given, platformArgs(platform), new Set());
  }

  /** The arguments of the next stage: nothing declared yet. */
  forStage(): BuildArgs {
    return new BuildArgs(this.given, this.meta, this.referenced);
  }

  /** ARG before the first FROM. */
  declareMeta(name: string, value: string | undefined): void {
    this.referenced.add(name);
    const used = this.given[name] ?? value;
    if (used !== undefined) this.meta.set(name, used);
  }

  /** ARG in a stage. */
  declare(name: string, value: string | undefined): void {
    this.#stage.set(name, value);
    this.referenced.add(name);
  }

  get metaLookup(): Lookup {
    return (name) => this.meta.get(name);
  }

  #value(name: string): string | undefined {
    return this.given[name] ?? this.#stage.get(name) ?? this.meta.get(name);
  }

  /** "NAME=value" of all that are in force in this stage, by name. */
  entries(): string[] {
    const names = [...this.#stage.keys(), ...Object.keys(this.given).filter((name) => BUILTIN.has(name))];
    return [...new Set(names)].sort().flatMap((name) => {
      const value = this.#value(name);
      return value === undefined ? [] : [`${name}=${value}`];
    });
  }

  /** Those that a RUN gets on top of the image's environment, which wins. */
  forRun(env: readonly string[]): string[] {
    const set = new Set(env.map((entry) => entry.split("=", 1)[0]!));
    return this.entries().filter((entry) => !set.has(entry.split("=", 1)[0]!));
  }

  /** Those of `entries` that belong into the history and the cache's key: an undeclared proxy does not. */
  recorded(entries: readonly string[]): string[] {
    return entries.filter((entry) => {
      const name = entry.split("=", 1)[0]!;
      return !BUILTIN.has(name) || this.#stage.has(name);
    });
  }

  /** Names that were given and that no ARG asked for. */
  unused(): string[] {
    return Object.keys(this.given)
      .filter((name) => !this.referenced.has(name) && !BUILTIN.has(name))
      .sort();
  }
}
