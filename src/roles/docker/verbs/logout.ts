import type { Command } from "../command.ts";
import { eraseCredentials, hostOf, INDEX_SERVER } from "../config/credentials.ts";
import { reason } from "../errors.ts";

export const logout: Command = {
  use: "[SERVER]",
  short: "Log out from a registry",
  long: "Log out from a registry.\nIf no server is specified, the default is defined by the daemon.",
  flags: [],
  args: { min: 0, max: 1 },
  anyAddress: true,
  async run({ cli, args }) {
    const [server = ""] = args;
    const host = server === "" ? INDEX_SERVER : hostOf(server);
    // Older clients kept a registry under any of these.
    const keys = server === "" ? [host] : [...new Set([server, host, `http://${host}`, `https://${host}`])];
    cli.out(`Removing login credentials for ${host}\n`);
    const failures: string[] = [];
    for (const key of keys) {
      try {
        await eraseCredentials(cli.config, cli.directory, key);
      } catch (error) {
        failures.push(`${key}: ${reason(error)}\n`);
      }
    }
    if (failures.length === keys.length) {
      cli.err(`WARNING: could not erase credentials:\n${failures.join("")}`);
    }
    return 0;
  },
};
