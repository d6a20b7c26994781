import type { ContainerInspect } from "../../../spec/engine/container.ts";
import type { Command } from "../command.ts";

const address = (ip: string, port: string) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

export const port: Command = {
  use: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  short: "List port mappings or a specific mapping for the container",
  aliases: ["docker container port", "docker port"],
  flags: [],
  args: { min: 1, max: 2 },
  async run({ cli, args }) {
    const [name = "", wanted] = args;
    const container = await cli.client.json<ContainerInspect>(
      "GET",
      `/containers/${encodeURIComponent(name)}/json`,
    );
    const ports = container.NetworkSettings.Ports ?? {};
    if (wanted !== undefined) {
      const [number = "", proto = "tcp"] = wanted.split("/");
      if (!/^\d+$/.test(number) || Number(number) > 65535) {
        throw new Error(
          `Error: invalid port (${number}): strconv.ParseUint: parsing ${JSON.stringify(number)}: invalid syntax`,
        );
      }
      const bindings = ports[`${number}/${proto}`];
      if (!bindings?.length) throw new Error(`Error: No public port '${wanted}' published for ${name}`);
      cli.out(bindings.map((binding) => `${address(binding.HostIp, binding.HostPort)}\n`).join(""));
      return 0;
    }
    const lines = Object.entries(ports)
      .flatMap(([from, bindings]) =>
        (bindings ?? []).map((binding) => ({
          port: Number(from.split("/")[0]),
          line: `${from} -> ${address(binding.HostIp, binding.HostPort)}\n`,
        })),
      )
      .sort((a, b) => a.port - b.port || (a.line < b.line ? -1 : 1));
    cli.out(lines.map(({ line }) => line).join(""));
    return 0;
  },
};
