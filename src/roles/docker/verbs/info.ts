import type { SystemInfo } from "../../../spec/engine/system.ts";
import { commit, version } from "../../../version.ts";
import type { Command } from "../command.ts";
import { reason } from "../errors.ts";
import { infoText } from "../format/info-text.ts";
import { listPlugins, type Plugin } from "../plugins/find.ts";
import { formatFlag, formatTemplate } from "../template/format-flag.ts";
import { toJson } from "../template/value.ts";

const pluginLines = (plugins: readonly Plugin[]): string =>
  plugins.length === 0
    ? ""
    : ` Plugins:\n${plugins
        .map(
          ({ Name, ShortDescription, Vendor, Version, Path }) =>
            `  ${Name}: ${ShortDescription ?? ""} (${Vendor})\n${Version ? `    Version:  ${Version}\n` : ""}    Path:     ${Path}\n`,
        )
        .join("")}`;

export const info: Command = {
  use: "[OPTIONS]",
  short: "Display system-wide information",
  aliases: ["docker system info", "docker info"],
  flags: [formatFlag],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const format = flags.string("format");
    const template = formatTemplate(format);
    let server: SystemInfo | undefined;
    const errors: string[] = [];
    try {
      server = await cli.client.json<SystemInfo>("GET", "/info");
    } catch (error) {
      errors.push(reason(error));
    }
    const client = {
      Debug: cli.globals.bool("debug"),
      Version: version,
      GitCommit: commit,
      Context: cli.context,
      Plugins: await listPlugins(cli.config, cli.directory),
      Warnings: null,
    };
    if (format !== "") {
      const data = { ...server, ...(errors.length > 0 ? { ServerErrors: errors } : {}), ClientInfo: client };
      cli.out(`${template ? template.execute(data) : toJson(data)}\n`);
      for (const error of errors) cli.err(`${error}\n`);
      return errors.length > 0 ? 1 : 0;
    }
    cli.out(
      `Client:\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: ${client.Debug}\n${pluginLines(client.Plugins)}\nServer:\n`,
    );
    if (!server) {
      for (const error of errors) cli.err(`${error}\n`);
      return 1;
    }
    cli.out(infoText(server));
    for (const warning of server.Warnings ?? []) cli.err(`${warning}\n`);
    return 0;
  },
};
