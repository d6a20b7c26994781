// ctr's help texts.
import type { Command, Group } from "./command.ts";
import type { FlagSpec } from "./flags.ts";

type Named = { names: readonly string[]; about: string };

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `   ${left.padEnd(width)}  ${right}\n`).join("");
}

const commandLines = (all: readonly Named[]): string =>
  columns([...all.map(({ names, about }) => [names.join(", "), about] as const)]);

function flagLines(flags: readonly FlagSpec[]): string {
  const dashed = (name: string) => (name.length === 1 ? `-${name}` : `--${name}`);
  return columns([
    ...flags.map((flag) => {
      const names = [flag.name, ...(flag.aliases ?? [])].map(
        (name) => `${dashed(name)}${flag.kind === "boolean" ? "" : " value"}`,
      );
      const more = [
        flag.default === undefined ? "" : ` (default: ${JSON.stringify(flag.default)})`,
        flag.environment === undefined ? "" : ` [$${flag.environment}]`,
      ];
      return [names.join(", "), flag.about + more.join("")] as const;
    }),
    ["--help, -h", "show help"],
  ]);
}

export function topHelp(
  flags: readonly FlagSpec[],
  groups: readonly Named[],
  singles: readonly Named[],
): string {
  return [
    "NAME:\n   ctr - containerd's client\n\n",
    "USAGE:\n   ctr [global options] command [command options] [arguments...]\n\n",
    `COMMANDS:\n${commandLines([...groups, ...singles])}\n`,
    `GLOBAL OPTIONS:\n${flagLines(flags)}`,
  ].join("");
}

export function groupHelp(name: string, group: Group): string {
  return [
    `NAME:\n   ctr ${name} - ${group.about}\n\n`,
    `USAGE:\n   ctr ${name} command [command options] [arguments...]\n\n`,
    `COMMANDS:\n${commandLines(group.commands)}\n`,
    `OPTIONS:\n${flagLines(group.flags ?? [])}`,
  ].join("");
}

export function commandHelp(command: Command): string {
  return [
    `NAME:\n   ctr ${command.names[0]} - ${command.about}\n\n`,
    `USAGE:\n   ctr ${command.names[0]} ${command.use}\n\n`,
    `OPTIONS:\n${flagLines(command.flags ?? [])}`,
  ].join("");
}
