// containerd's command line, by the names its users and dockerd pass.
import { parseArgs } from "node:util";

export interface Flags {
  command: string[];
  config?: string;
  logLevel?: string;
  address?: string;
  root?: string;
  state?: string;
  help: boolean;
  version: boolean;
  /** For `publish`. */
  namespace?: string;
  topic?: string;
}

/** Throws with containerd's kind of text on an unknown flag. Go's flags begin with one dash or two. */
export function parseFlags(args: readonly string[]): Flags {
  const doubled = args.map((arg) => (/^-[a-z][a-z-]+(=|$)/.test(arg) ? `-${arg}` : arg));
  const { values, positionals } = parseArgs({
    args: doubled,
    allowPositionals: true,
    options: {
      config: { type: "string", short: "c" },
      "log-level": { type: "string", short: "l" },
      address: { type: "string", short: "a" },
      root: { type: "string" },
      state: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
      version: { type: "boolean", short: "v", default: false },
      namespace: { type: "string" },
      topic: { type: "string" },
    },
  });
  const { "log-level": logLevel, ...rest } = values;
  return { command: positionals, ...rest, ...(logLevel === undefined ? {} : { logLevel }) };
}

export const usage = `NAME:
   containerd - the containerd role of bunker

USAGE:
   containerd [global options] command [command options] [arguments...]

COMMANDS:
   config default  print the default configuration
   config dump     print the configuration in force
   publish         publish an event (on stdin) to a containerd: --address, --namespace, --topic
   help, h         this text

GLOBAL OPTIONS:
   --config value, -c value     path to the configuration file (default: "/etc/containerd/config.toml")
   --log-level value, -l value  set the logging level [trace, debug, info, warn, error, fatal, panic]
   --address value, -a value    address for containerd's GRPC server
   --root value                 containerd root directory
   --state value                containerd state directory
   --help, -h                   show help
   --version, -v                print the version
`;
