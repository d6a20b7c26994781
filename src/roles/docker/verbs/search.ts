import type { Command } from "../command.ts";
import { credentials, encodeAuth } from "../config/credentials.ts";
import { filterFlag, filterQuery } from "../flags/filter.ts";
import { ellipsis } from "../format/words.ts";
import { render } from "../template/table.ts";

interface SearchResult {
  name: string;
  description: string;
  star_count: number;
  is_official: boolean;
  is_automated: boolean;
}

const headers = {
  Description: "DESCRIPTION",
  IsAutomated: "AUTOMATED",
  IsOfficial: "OFFICIAL",
  Name: "NAME",
  StarCount: "STARS",
};

const TABLE = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";

// A term may name its registry, as an image does.
function registryOf(term: string): string {
  const first = term.split("/", 2);
  return first.length > 1 && (/[.:]/.test(first[0]!) || first[0] === "localhost") ? first[0]! : "docker.io";
}

export const search: Command = {
  use: "[OPTIONS] TERM",
  short: "Search Docker Hub for images",
  flags: [
    filterFlag,
    { name: "format", kind: "string", usage: "Pretty-print search using a Go template" },
    { name: "limit", kind: "int", usage: "Max number of search results" },
    { name: "no-trunc", kind: "bool", usage: "Don't truncate output" },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const [term = ""] = args;
    if (/^https?:\/\//.test(term)) {
      throw new Error(
        `invalid repository name: repository name (${term.replace(/^https?:\/\//, "")}) should not have a scheme`,
      );
    }
    const results = await cli.client.json<SearchResult[]>("GET", "/images/search", {
      query: {
        term,
        limit: flags.number("limit") > 0 ? flags.number("limit") : undefined,
        filters: filterQuery(flags.list("filter")),
      },
      headers: { "X-Registry-Auth": encodeAuth(await credentials(cli.config, registryOf(term))) },
    });
    const format = flags.string("format") || "table";
    const json = format === "json";
    const told = (value: boolean) => (json ? String(value) : value ? "[OK]" : "");
    const rows = (results ?? []).map((result) => {
      const description = result.description.replace(/[\n\r]/g, " ");
      return {
        Description: flags.bool("no-trunc") ? description : ellipsis(description, 45),
        IsAutomated: told(result.is_automated),
        IsOfficial: told(result.is_official),
        Name: result.name,
        StarCount: String(result.star_count),
      };
    });
    cli.out(render(format === "table" ? TABLE : format, headers, rows));
    return 0;
  },
};
