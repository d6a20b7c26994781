// The shim's command line: Go's flag package syntax (-name value, --name=value), one action at the end.

export interface Flags {
  namespace: string;
  id: string;
  address: string;
  publishBinary: string;
  bundle: string;
  socket: string;
  debug: boolean;
  version: boolean;
  info: boolean;
  /** "start", "delete" or "" (serve). */
  action: string;
}

const STRINGS: Readonly<Record<string, keyof Flags>> = {
  namespace: "namespace",
  id: "id",
  address: "address",
  "publish-binary": "publishBinary",
  bundle: "bundle",
  socket: "socket",
};
const BOOLEANS: Readonly<Record<string, keyof Flags>> = {
  debug: "debug",
  v: "version",
  version: "version",
  info: "info",
};

export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Throws UsageError for what is no such flag. */
export function parseFlags(args: readonly string[]): Flags {
  const flags: Flags = {
    namespace: "",
    id: "",
    address: "",
    publishBinary: "containerd",
    bundle: "",
    socket: "",
    debug: false,
    version: false,
    info: false,
    action: "",
  };
  const values = flags as unknown as Record<string, string | boolean>;
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") {
      at++;
      break;
    }
    const match = /^--?([a-z-]+)(?:=(.*))?$/s.exec(arg);
    if (!match) break;
    const [, name, given] = match;
    if (name! in BOOLEANS) {
      values[BOOLEANS[name!]!] = given === undefined || /^(1|t|T|true|TRUE|True)$/.test(given);
    } else if (name! in STRINGS) {
      const value = given ?? args[++at];
      if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`);
      values[STRINGS[name!]!] = value;
    } else throw new UsageError(`flag provided but not defined: -${name}`);
  }
  flags.action = args[at] ?? "";
  return flags;
}
