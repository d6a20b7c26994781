import type { Command } from "../command.ts";
import { formatFlag } from "../flags/filter.ts";
import { ellipsis } from "../format/words.ts";
import { render } from "../template/table.ts";

const headers = {
  Current: "",
  Description: "DESCRIPTION",
  DockerEndpoint: "DOCKER ENDPOINT",
  Error: "ERROR",
  Name: "NAME",
};

const TABLE = "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}";

export const listContexts: Command = {
  use: "[OPTIONS]",
  short: "List contexts",
  aliases: ["docker context ls", "docker context list"],
  flags: [formatFlag, { name: "quiet", short: "q", kind: "bool", usage: "Only show context names" }],
  args: { min: 0, max: 0 },
  anyAddress: true,
  async run({ cli, flags }) {
    const current = cli.context;
    const list = cli.contexts.list().map(({ Name, Metadata, Endpoints }) => ({
      Current: Name === current,
      Description: Metadata?.Description ?? "",
      DockerEndpoint: Endpoints?.docker?.Host ?? "",
      Error: "",
      Name,
    }));
    list.push({
      Current: current === "default",
      Description: "Current DOCKER_HOST based configuration",
      DockerEndpoint: cli.defaultHost(),
      Error: "",
      Name: "default",
    });
    if (!list.some(({ Current }) => Current)) {
      let error = "";
      try {
        cli.contexts.read(current);
      } catch (failure) {
        error = (failure as Error).message;
      }
      list.push({ Current: true, Description: "", DockerEndpoint: "", Error: error, Name: current });
    }
    list.sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }));
    let format = flags.string("format") || "table";
    const table = format === "table";
    if (table) format = flags.bool("quiet") ? "{{.Name}}" : TABLE;
    const rows = list.map((one) => ({
      ...one,
      Description: table ? ellipsis(one.Description, 60) : one.Description,
      Error: ellipsis(one.Error.replace(/\s+/g, " "), 45),
    }));
    cli.out(render(format, headers, rows));
    if (process.env["DOCKER_HOST"]) {
      cli.err(
        "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.\n",
      );
    }
    return 0;
  },
};
