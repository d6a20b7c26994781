import { any, type Command } from "../command.ts";
import { inspectFormatFlag, inspectObjects } from "../inspect/objects.ts";
import { escapeHtml, toJson } from "../template/value.ts";

export const inspectContexts: Command = {
  use: "[OPTIONS] [CONTEXT] [CONTEXT...]",
  short: "Display detailed information on one or more contexts",
  flags: [inspectFormatFlag],
  args: { min: 0, max: any },
  anyAddress: true,
  run({ cli, flags, args }) {
    const look = async (name: string) => escapeHtml(toJson(find(name)));
    const find = (name: string) => {
      const memory = "<IN MEMORY>";
      if (name === "default") {
        return {
          Name: name,
          Metadata: {},
          Endpoints: { docker: { Host: cli.defaultHost(), SkipTLSVerify: false } },
          TLSMaterial: {},
          Storage: { MetadataPath: memory, TLSPath: memory },
        };
      }
      return {
        ...cli.contexts.read(name),
        TLSMaterial: cli.contexts.tlsFiles(name),
        Storage: cli.contexts.storage(name),
      };
    };
    return inspectObjects(cli, flags.string("format"), args.length > 0 ? args : [cli.context], look);
  },
};
