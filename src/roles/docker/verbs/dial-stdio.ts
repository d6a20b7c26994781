// `docker system dial-stdio`: our stdin and stdout are the engine's socket. The far end of ssh:// hosts.
import type { Command } from "../command.ts";
import { reason } from "../errors.ts";
import { write } from "../stdio/output.ts";

export const dialStdio: Command = {
  use: "",
  short: "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
  flags: [],
  args: { min: 0, max: 0 },
  async run({ cli }) {
    let connection: Awaited<ReturnType<typeof cli.client.dial>>;
    try {
      connection = await cli.client.dial();
    } catch (error) {
      throw new Error(`failed to open the raw stream connection: ${reason(error)}`);
    }
    void (async () => {
      for await (const chunk of Bun.stdin.stream()) if (!(await connection.write(chunk))) return;
      connection.closeWrite();
    })().catch(() => connection.close());
    for await (const chunk of connection.read()) await write(1, chunk);
    return 0;
  },
};
