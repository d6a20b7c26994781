import type { ContainerInspect } from "../../../spec/engine/container.ts";
import { FrameDecoder } from "../../../wire/engine/frames.ts";
import type { Command } from "../command.ts";
import { timestamp } from "../format/time.ts";
import { write } from "../stdio/output.ts";

export const logs: Command = {
  use: "[OPTIONS] CONTAINER",
  short: "Fetch the logs of a container",
  aliases: ["docker container logs", "docker logs"],
  flags: [
    { name: "details", kind: "bool", usage: "Show extra details provided to logs" },
    { name: "follow", short: "f", kind: "bool", usage: "Follow log output" },
    {
      name: "since",
      kind: "string",
      usage:
        'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
    {
      name: "tail",
      short: "n",
      kind: "string",
      default: "all",
      usage: "Number of lines to show from the end of the logs",
    },
    { name: "timestamps", short: "t", kind: "bool", usage: "Show timestamps" },
    {
      name: "until",
      kind: "string",
      usage:
        'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
  ],
  args: { min: 1, max: 1 },
  async run({ cli, flags, args }) {
    const path = `/containers/${encodeURIComponent(args[0]!)}`;
    const time = (name: "since" | "until") => {
      const value = flags.string(name);
      try {
        return value === "" ? undefined : timestamp(value);
      } catch (error) {
        throw new Error(`invalid value for "${name}": ${(error as Error).message}`);
      }
    };
    const container = await cli.client.json<ContainerInspect>("GET", `${path}/json`);
    const body = await cli.client.bytes("GET", `${path}/logs`, {
      query: {
        details: flags.bool("details") || undefined,
        follow: flags.bool("follow") || undefined,
        since: time("since"),
        stderr: true,
        stdout: true,
        tail: flags.string("tail"),
        timestamps: flags.bool("timestamps") || undefined,
        until: time("until"),
      },
    });
    if (container.Config.Tty) {
      for await (const chunk of body) await write(1, chunk);
      return 0;
    }
    const decoder = new FrameDecoder();
    for await (const chunk of body) {
      for (const { stream, bytes } of decoder.push(chunk)) await write(stream === "stderr" ? 2 : 1, bytes);
    }
    return 0;
  },
};
