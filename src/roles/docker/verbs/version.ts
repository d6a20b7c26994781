import { arch } from "node:os";
import type { VersionResponse } from "../../../spec/engine/system.ts";
import { commit, version } from "../../../version.ts";
import { API_VERSION, ConnectionError, EngineError } from "../../../wire/engine/client.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import { ansic } from "../format/words.ts";
import { formatFlag, formatTemplate } from "../template/format-flag.ts";
import { toJson } from "../template/value.ts";

interface ClientVersion {
  Version: string;
  ApiVersion: string;
  DefaultAPIVersion: string;
  GitCommit: string;
  GoVersion: string;
  Os: string;
  Arch: string;
  Context: string;
}

const clientVersion = (cli: Cli, apiVersion: string): ClientVersion => ({
  Version: version,
  ApiVersion: apiVersion,
  DefaultAPIVersion: API_VERSION,
  GitCommit: commit,
  // Docker has the Go version here; what runs us is this.
  GoVersion: `bun${Bun.version}`,
  Os: "linux",
  Arch: arch() === "x64" ? "amd64" : arch(),
  Context: cli.context,
});

const rows = (indent: string, pairs: readonly (readonly [string, string])[]) =>
  pairs.map(([name, value]) => `${`${indent}${name}:`.padEnd(20)}${value}\n`).join("");

function clientText(client: ClientVersion): string {
  const { ApiVersion: api, DefaultAPIVersion: own } = client;
  return `Client:\n${rows(" ", [
    ["Version", client.Version],
    ["API version", api === own ? api : `${api} (downgraded from ${own})`],
    ["Bun version", client.GoVersion.replace(/^bun/, "")],
    ["Git commit", client.GitCommit],
    ["OS/Arch", `${client.Os}/${client.Arch}`],
    ["Context", client.Context],
  ])}`;
}

function serverText(server: VersionResponse): string {
  const name = server.Platform?.Name ?? "";
  const components = server.Components ?? [
    {
      Name: "Engine",
      Version: server.Version,
      Details: {
        ApiVersion: server.ApiVersion,
        MinAPIVersion: server.MinAPIVersion,
        GoVersion: server.GoVersion,
        GitCommit: server.GitCommit,
        BuildTime: server.BuildTime ?? "",
        Os: server.Os,
        Arch: server.Arch,
        Experimental: String(server.Experimental ?? false),
      },
    },
  ];
  let text = `Server:${name === "" ? "" : ` ${name}`}\n`;
  for (const { Name: component, Version: its, Details: details = {} } of components) {
    text += ` ${component}:\n`;
    if (component !== "Engine") {
      text += rows("  ", [["Version", its], ...Object.entries(details)]);
      continue;
    }
    const { MinAPIVersion: minimum, GoVersion: language = "" } = details as Record<string, string>;
    text += rows("  ", [
      ["Version", its],
      ["API version", `${details["ApiVersion"]}${minimum ? ` (minimum version ${minimum})` : ""}`],
      language.startsWith("bun") ? ["Bun version", language.slice(3)] : ["Go version", language],
      ["Git commit", details["GitCommit"] ?? ""],
      ...(details["BuildTime"] ? [["Built", ansic(details["BuildTime"])] as const] : []),
      ["OS/Arch", `${details["Os"]}/${details["Arch"]}`],
      ["Experimental", details["Experimental"] ?? "false"],
    ]);
  }
  return text;
}

export const versionVerb: Command = {
  use: "[OPTIONS]",
  short: "Show the Docker version information",
  flags: [formatFlag],
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const format = flags.string("format");
    const template = formatTemplate(format);
    let api = API_VERSION;
    let server: VersionResponse | undefined;
    let failure: unknown;
    try {
      api = await cli.client.version();
      server = await cli.client.json<VersionResponse>("GET", "/version");
    } catch (error) {
      if (!(error instanceof ConnectionError || error instanceof EngineError)) throw error;
      failure = error;
    }
    const client = clientVersion(cli, api);
    if (format === "json") cli.out(`${toJson({ Client: client, Server: server ?? null })}\n`);
    else if (template) {
      cli.out(`${template.execute({ Client: client, Server: server ?? null })}\n`);
    } else cli.out(clientText(client) + (server ? `\n${serverText(server)}` : ""));
    if (failure !== undefined) throw failure;
    return 0;
  },
};
