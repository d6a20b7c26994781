import { commit, version } from "../../../version.ts";
import type { Command } from "../command.ts";

export const versionCommand: Command = {
  names: ["version"],
  about: "print the client and server versions",
  use: "",
  async run({ services, out }) {
    const mine = { version: `${version}+bunker`, revision: commit };
    out(
      `Client:\n  Version:  ${mine.version}\n  Revision: ${mine.revision}\n  Bun version: ${Bun.version}\n\n`,
    );
    const { version: about, introspection } = await services();
    const theirs = await about.version();
    const { uuid } = await introspection.server();
    out(`Server:\n  Version:  ${theirs.version}\n  Revision: ${theirs.revision}\n  UUID: ${uuid}\n`);
    for (const what of ["version", "revision"] as const) {
      if (mine[what] !== theirs[what]) process.stderr.write(`WARNING: ${what} mismatch\n`);
    }
    return 0;
  },
};
