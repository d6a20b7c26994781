// `docker`: the global flags, then the first word by hand, then the one verb that was asked for.
import { commit, version } from "../../version.ts";
import { Cli, globalFlags } from "./cli.ts";
import { common, find, type Group, plain, topLevel } from "./commands.ts";
import { FlagError, type Flags, HelpWanted, parseFlags } from "./flags/flagset.ts";
import { groups } from "./groups.ts";
import { flagLines, nameLines } from "./help.ts";
import { ended, fail, invoke, LEVELS } from "./invoke.ts";
import { writeText } from "./stdio/output.ts";

const abouts = (group: Group) =>
  Object.entries(group)
    .filter(([, one]) => !one.hidden)
    .map(([name, one]) => [name, one.about] as const);

function topHelp(): string {
  const byName = (a: readonly [string, string], b: readonly [string, string]) => (a[0] < b[0] ? -1 : 1);
  const managed = Object.entries(groups)
    .filter(([, group]) => !group.hidden)
    .map(([name, group]) => [name, group.about] as const);
  return [
    "Usage:  docker [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers\n",
    `Common Commands:\n${nameLines(abouts(common))}`,
    `Management Commands:\n${nameLines(managed)}`,
    `Commands:\n${nameLines(abouts(plain).sort(byName))}`,
    `Global Options:\n${flagLines(globalFlags)}`,
    "Run 'docker COMMAND --help' for more information on a command.\n",
  ].join("\n");
}

function groupHelp(name: string): string {
  const group = groups[name]!;
  return [
    `Usage:  docker ${name} COMMAND\n\n${group.about}\n`,
    `Commands:\n${nameLines(abouts(group.commands))}`,
    `Run 'docker ${name} COMMAND --help' for more information on a command.\n`,
  ].join("\n");
}

async function handOver(plugin: string, args: readonly string[]): Promise<number> {
  const { runPlugin } = await import("./plugins/run.ts");
  return runPlugin(plugin, args);
}

/** BuildKit's own client, where it is installed and asked for; our engine's builder needs none. */
async function buildPlugin(cli: Cli): Promise<string | undefined> {
  if (!/^(1|t|true)$/i.test(process.env["DOCKER_BUILDKIT"] ?? "")) return undefined;
  return (await import("./plugins/find.ts")).findPlugin(cli.config, cli.directory, "buildx");
}

async function answerCompletion(cli: Cli, words: string[], describe: boolean): Promise<number> {
  const { complete } = await import("./complete/answer.ts");
  const { candidates, directive } = await complete(cli, words);
  const lines = candidates.map((line) => (describe ? line : line.split("\t", 1)[0]));
  cli.out([...lines, `:${directive}`].map((line) => `${line}\n`).join(""));
  return 0;
}

async function dispatch(args: string[]): Promise<number> {
  let globals: Flags;
  let rest: string[];
  try {
    ({ flags: globals, args: rest } = parseFlags(globalFlags, args, false));
  } catch (error) {
    if (error instanceof HelpWanted) {
      writeText(1, topHelp());
      return 0;
    }
    if (error instanceof FlagError) {
      return fail(
        125,
        `${error.message}\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information`,
      );
    }
    throw error;
  }
  if (globals.bool("version")) {
    writeText(1, `Docker version ${version}, build ${commit}\n`);
    return 0;
  }
  let [name = "", ...argv] = rest;
  const level = globals.string("log-level");
  if (!LEVELS.includes(level)) return fail(1, `Unable to parse logging level: ${level}`);
  const helped = name === "help";
  if (helped) {
    name = argv.shift() ?? "";
    if (name !== "") argv.push("--help");
  }
  if (name === "") {
    writeText(1, topHelp());
    return 0;
  }
  const cli = new Cli(globals);
  const group = Object.hasOwn(groups, name) ? groups[name] : undefined;
  if (!group) {
    const entry = find(topLevel, name);
    if (entry) {
      const plugin = name === "build" ? await buildPlugin(cli) : undefined;
      if (plugin !== undefined) return handOver(plugin, args);
      return invoke(cli, await entry.load(), `docker ${name}`, argv);
    }
    if (name === "__complete" || name === "__completeNoDesc") {
      return answerCompletion(cli, argv, name === "__complete");
    }
    const { findPlugin } = await import("./plugins/find.ts");
    const plugin = findPlugin(cli.config, cli.directory, name);
    if (plugin !== undefined) return handOver(plugin, args);
    if (helped) return fail(1, `unknown help topic: ${[name, ...argv.slice(0, -1)].join(" ")}`);
    return fail(1, `docker: unknown command: docker ${name}\n\nRun 'docker --help' for more information`);
  }
  const sub = argv.shift() ?? "";
  if (sub === "" || sub === "--help" || sub === "-h") {
    writeText(sub === "" ? 2 : 1, groupHelp(name));
    return 0;
  }
  const entry = find(group.commands, sub);
  if (entry) return invoke(cli, await entry.load(), `docker ${name} ${sub}`, argv);
  return fail(
    1,
    `docker: unknown command: docker ${name} ${sub}\n\nUsage:  docker ${name}\n\nRun 'docker ${name} --help' for more information`,
  );
}

/** The client. Does not return: ends the process, whatever still reads stdin. */
export const main = (args: string[]): Promise<number> => ended(() => dispatch(args));
