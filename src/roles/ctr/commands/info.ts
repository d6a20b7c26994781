import type { Command } from "../command.ts";
import { json } from "../format.ts";

export const info: Command = {
  names: ["info"],
  about: "print the server info",
  use: "",
  async run({ services, out }) {
    const { uuid, pid, pidns } = await (await services()).introspection.server();
    out(json({ server: { uuid, ...(pid ? { pid } : {}), ...(pidns ? { pidns } : {}) } }));
    return 0;
  },
};
