import { type Command, type Group, QUIET } from "../command.ts";
import { table, WIDE } from "../table.ts";

const list: Command = {
  names: ["list", "ls"],
  about: "lists containerd plugins",
  use: "[command options] [arguments...]",
  flags: [
    QUIET("print only the plugin ids"),
    {
      name: "detailed",
      aliases: ["d"],
      kind: "boolean",
      about: "print detailed information about each plugin",
    },
  ],
  async run({ services, flags, args, out }) {
    const all = await (await services()).introspection.plugins(args);
    if (flags.boolean("quiet")) {
      out(all.map(({ id }) => `${id}\n`).join(""));
      return 0;
    }
    const platforms = (one: (typeof all)[number]) =>
      one.platforms
        .map(({ os, architecture, variant }) => [os, architecture, ...(variant ? [variant] : [])].join("/"))
        .join(",") || "-";
    if (flags.boolean("detailed")) {
      for (const one of all) {
        out(`Type:          ${one.type}\nID:            ${one.id}\n`);
        if (one.platforms.length > 0) out(`Platforms:     ${platforms(one)}\n`);
        for (const [at, [name, value]] of Object.entries(one.exports).entries()) {
          out(`${at === 0 ? "Exports:" : ""}${" ".repeat(at === 0 ? 7 : 15)}${name}      ${value}\n`);
        }
        if (one.capabilities.length > 0) out(`Capabilities:  ${one.capabilities.join(",")}\n`);
        if (one.initError !== undefined) out(`Error:         ${one.initError}\n`);
        out("\n");
      }
      return 0;
    }
    const status = (error: string | undefined) =>
      error === undefined ? "ok" : error.includes("skip plugin") ? "skip" : "error";
    const rows = all.map((one) => [one.type, one.id, platforms(one), status(one.initError)]);
    out(table([["TYPE", "ID", "PLATFORMS", "STATUS"], ...rows], WIDE));
    return 0;
  },
};

export const plugins: Group = {
  about: "provides information about containerd plugins",
  commands: [list],
};
