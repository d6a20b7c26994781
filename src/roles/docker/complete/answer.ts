// `docker __complete WORD…`: what may come next, a candidate a line, and how the shell shall treat them. The protocol is that of
// cobra's generated scripts, so that scripts people have installed for the docker CLI work with this one.
import type { ContainerSummary } from "../../../spec/engine/container.ts";
import type { ImageSummary } from "../../../spec/engine/image.ts";
import type { NetworkInspect } from "../../../spec/engine/network.ts";
import type { VolumeList } from "../../../spec/engine/volume.ts";
import { type Cli, globalFlags } from "../cli.ts";
import type { Command } from "../command.ts";
import { find, type Group, topLevel } from "../commands.ts";
import type { Flag } from "../flags/flagset.ts";
import { groups } from "../groups.ts";
import { listPlugins } from "../plugins/find.ts";

/** Bits of the last line. */
const NO_SPACE = 2;
const NO_FILES = 4;

export interface Completion {
  candidates: string[];
  directive: number;
}

const described = (name: string, about: string) => `${name}\t${about.split("\n", 1)[0]}`;

/** Which names a verb's argument is: the word in its usage line at that place. */
function wanted(command: Command, position: number): string {
  const words = command.use
    .replace(/\[OPTIONS\]\s*/, "")
    .split("\n", 1)[0]!
    .split(/\s+/)
    .map((word) => word.replace(/[[\].]/g, ""));
  return words[Math.min(position, words.length - 1)] ?? "";
}

async function containers(cli: Cli, path: string): Promise<string[]> {
  // What already runs cannot be started, what does not cannot be stopped.
  const running = /(exec|stop|kill|pause|attach|top|stats|port|update)$/.test(path);
  const stopped = /start$/.test(path) && !/restart$/.test(path);
  const list = await cli.client.json<ContainerSummary[]>("GET", "/containers/json", {
    query: { all: running ? undefined : true },
  });
  return list
    .filter(({ State }) => !stopped || State !== "running")
    .flatMap(({ Names }) => (Names ?? []).map((name) => name.slice(1)).filter((name) => !name.includes("/")));
}

/** Names of the engine's objects for an argument. Empty when it has no such names, or the engine does not answer. */
async function objects(cli: Cli, kind: string, path: string): Promise<string[] | undefined> {
  try {
    if (/^CONTAINER/.test(kind)) return await containers(cli, path);
    if (/^(IMAGE|SOURCE_IMAGE|NAME:TAG)/.test(kind)) {
      const list = await cli.client.json<ImageSummary[]>("GET", "/images/json");
      return list.flatMap(({ RepoTags }) => RepoTags ?? []);
    }
    if (/^NETWORK/.test(kind)) {
      return (await cli.client.json<NetworkInspect[]>("GET", "/networks")).map(({ Name }) => Name);
    }
    if (/^VOLUME/.test(kind)) {
      return ((await cli.client.json<VolumeList>("GET", "/volumes")).Volumes ?? []).map(({ Name }) => Name);
    }
    if (/^CONTEXT/.test(kind)) return ["default", ...cli.contexts.list().map(({ Name }) => Name)];
  } catch {
    return [];
  }
  return undefined;
}

async function flagValue(cli: Cli, flag: Flag, path: string): Promise<Completion> {
  const fixed: Record<string, string[]> = {
    restart: ["always", "no", "on-failure", "unless-stopped"],
    pull: ["always", "missing", "never"],
    "log-driver": ["json-file", "local", "none", "journald", "syslog"],
    context: ["default", ...cli.contexts.list().map(({ Name }) => Name)],
    network: ["bridge", "host", "none"],
    platform: ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386"],
  };
  const known = fixed[flag.name];
  if (flag.name === "network" || flag.name === "net") {
    return { candidates: (await objects(cli, "NETWORK", path)) ?? known ?? [], directive: NO_FILES };
  }
  if (known) return { candidates: known, directive: NO_FILES };
  const file = /file|^(input|output|tlscacert|tlscert|tlskey|config)$/.test(flag.name);
  return { candidates: [], directive: file || flag.name === "volume" ? 0 : NO_FILES };
}

function flagNames(flags: readonly Flag[], start: string): Completion {
  const candidates = flags
    .filter(({ hidden }) => !hidden)
    .flatMap(({ name, short, usage }) => [
      ...(start === "-" && short ? [described(`-${short}`, usage)] : []),
      described(`--${name}`, usage),
    ])
    .filter((line) => line.startsWith(start));
  return { candidates, directive: NO_FILES };
}

/** Takes flags off the front of `words`; the flag whose value is still to come is `open`. */
function passFlags(
  flags: readonly Flag[],
  words: string[],
  interspersed: boolean,
): { args: string[]; open?: Flag } {
  const args: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (!word.startsWith("-") || word === "-") {
      args.push(word);
      if (!interspersed) return { args: [...args, ...words.slice(i + 1)] };
      continue;
    }
    if (word.includes("=")) continue;
    const flag = word.startsWith("--")
      ? flags.find(({ name }) => name === word.slice(2))
      : flags.find(({ short }) => short === word.at(-1));
    if (!flag || flag.kind === "bool") continue;
    if (i === words.length - 1) return { args, open: flag };
    i++;
  }
  return { args };
}

async function names(cli: Cli, group: Group, start: string, top: boolean): Promise<Completion> {
  const entries = Object.entries(group)
    .filter(([, { hidden }]) => !hidden)
    .map(([name, { about }]) => [name, about] as const);
  const more = top ? Object.entries(groups).map(([name, { about }]) => [name, about] as const) : [];
  const plugins = top ? await listPlugins(cli.config, cli.directory) : [];
  const all = [
    ...entries,
    ...more,
    ...plugins
      .filter(({ Hidden }) => !Hidden)
      .map(({ Name, ShortDescription }) => [Name, ShortDescription ?? ""] as const),
  ].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    candidates: all.filter(([name]) => name.startsWith(start)).map(([name, about]) => described(name, about)),
    directive: NO_FILES,
  };
}

/** What may stand for the last of `words` (which may be begun, or empty). */
export async function complete(cli: Cli, words: readonly string[]): Promise<Completion> {
  const start = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { args, open } = passFlags(globalFlags, before, false);
  if (open) return flagValue(cli, open, "");
  const [first, ...rest] = args;
  if (first === undefined) {
    return start.startsWith("-") ? flagNames(globalFlags, start) : names(cli, topLevel, start, true);
  }
  let path = first;
  let own = rest;
  let entry = find(topLevel, first);
  const group = Object.hasOwn(groups, first) ? groups[first] : undefined;
  if (group) {
    const [second, ...more] = rest;
    if (second === undefined) return names(cli, group.commands, start, false);
    entry = find(group.commands, second);
    path = `${first} ${second}`;
    own = more;
  }
  if (!entry) return { candidates: [], directive: 0 };
  const command = await entry.load();
  const passed = passFlags(command.flags, own, command.interspersed ?? true);
  if (passed.open) return flagValue(cli, passed.open, path);
  if (start.startsWith("-")) {
    const [name, value] = start.split("=", 2);
    const flag = value === undefined ? undefined : command.flags.find((one) => `--${one.name}` === name);
    if (!flag) return flagNames(command.flags, start);
    const values = await flagValue(cli, flag, path);
    return {
      candidates: values.candidates.filter((one) => one.startsWith(value!)).map((one) => `${name}=${one}`),
      directive: values.directive,
    };
  }
  if (passed.args.length >= command.args.max) return { candidates: [], directive: NO_FILES };
  const kind = wanted(command, passed.args.length);
  const found = await objects(cli, kind, path);
  // Paths, commands inside a container: the shell knows better.
  if (found === undefined) return { candidates: [], directive: path.endsWith("cp") ? NO_SPACE : 0 };
  return {
    candidates: found.filter((name) => name.startsWith(start) && !passed.args.includes(name)),
    directive: NO_FILES,
  };
}
