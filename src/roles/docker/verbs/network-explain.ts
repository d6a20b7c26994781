import type { ExplainedPort, NetworkExplanation } from "../../../spec/engine/network-explain.ts";
import type { Command } from "../command.ts";
import { formatFlag } from "../flags/filter.ts";

const at = (ip: string, port: number) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

function portLines(port: ExplainedPort): string[] {
  const { hostIp, hostPort, protocol, containerIp, containerPort } = port;
  return [
    `  ${at(hostIp, hostPort)}/${protocol} -> ${at(containerIp, containerPort)} on network ${port.network}`,
    ...port.reachableBy.flatMap(({ who, rule }) => [`    reached by ${who}`, `      by ${rule}`]),
    ...(port.reachableBy.length === 0 ? ["    reached by nobody"] : []),
    ...port.obstacles.map(({ rule, effect }) => `    but ${rule}: ${effect}`),
  ];
}

function text({ table, ports, endpoints }: NetworkExplanation): string {
  const lines: string[] = [`Rules: nft list table ${table}`];
  for (const id of new Set(endpoints.map(({ container }) => container.id))) {
    const own = endpoints.filter(({ container }) => container.id === id);
    lines.push("", `${own[0]!.container.name} (${id.slice(0, 12)})`);
    for (const endpoint of own) {
      lines.push(`  all ports at ${endpoint.addresses.join(", ")} on network ${endpoint.network}`);
      for (const { who, rule } of endpoint.reachableBy)
        lines.push(`    reached by ${who}`, `      by ${rule}`);
    }
    const published = ports.filter(({ container }) => container.id === id);
    lines.push(...(published.length > 0 ? published.flatMap(portLines) : ["  no published ports"]));
  }
  return `${lines.join("\n")}\n`;
}

export const explainNetworks: Command = {
  use: "[OPTIONS] [CONTAINER]",
  short: "Tell who can reach containers and their published ports, and by which rule",
  flags: [{ ...formatFlag, usage: 'Format output: "json" prints what the engine says' }],
  args: { min: 0, max: 1 },
  async run({ cli, flags, args }) {
    const explanation = await cli.client.json<NetworkExplanation>("GET", "/networks/explain", {
      query: { container: args[0] },
    });
    cli.out(flags.string("format") === "json" ? `${JSON.stringify(explanation)}\n` : text(explanation));
    return 0;
  },
};
