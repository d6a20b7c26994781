// `ctr`: containerd's client for administrators. Talks gRPC to any containerd, ours or the real one.
import { dropPages } from "../../../ffi/give-back.ts";
import { commit, version } from "../../version.ts";
import type { RemoteContainerd } from "../../wire/containerd/client/connect.ts";
import type { Command, Group } from "./command.ts";
import { FlagError, type FlagSpec, type Flags, type Parsed, parseFlags } from "./flags.ts";
import { parseDuration } from "./format.ts";
import { groups, singles } from "./groups.ts";
import { commandHelp, groupHelp, topHelp } from "./help.ts";
import type { MakeTransfer } from "./transfer.ts";

export const globalFlags: readonly FlagSpec[] = [
  { name: "debug", kind: "boolean", about: "enable debug output in logs" },
  {
    name: "address",
    aliases: ["a"],
    kind: "string",
    about: "address for containerd's GRPC server",
    default: "/run/containerd/containerd.sock",
    environment: "CONTAINERD_ADDRESS",
  },
  { name: "timeout", kind: "string", about: "total timeout for ctr commands", default: "0s" },
  { name: "connect-timeout", kind: "string", about: "timeout for connecting to containerd", default: "0s" },
  {
    name: "namespace",
    aliases: ["n"],
    kind: "string",
    about: "namespace to use with commands",
    default: "default",
    environment: "CONTAINERD_NAMESPACE",
  },
  { name: "version", aliases: ["v"], kind: "boolean", about: "print the version" },
];

/** Without --connect-timeout a containerd that is just starting gets this long, in milliseconds. */
const PATIENCE = 1000;

function duration(flags: Flags, name: string): number {
  const ms = parseDuration(flags.string(name));
  if (ms === undefined)
    throw new FlagError(`invalid value ${JSON.stringify(flags.string(name))} for flag -${name}: parse error`);
  return ms;
}

/** Parses, and shows the usage when the words are wrong. */
function parsed(parse: () => Parsed, usage: () => string): Parsed {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FlagError) {
      process.stdout.write(`Incorrect Usage: ${error.message}\n\n${usage()}\n`);
    }
    throw error;
  }
}

/** What the words before the command said, and what the composition root lends. */
interface Context {
  globals: Flags;
  makeTransfer: MakeTransfer;
}

/** One command against one containerd, which is connected to when the command asks for it. */
async function invoke(
  command: Command,
  { globals, makeTransfer }: Context,
  argv: string[],
  groupFlags?: Flags,
): Promise<number> {
  const { flags, args, help } = parsed(
    () => parseFlags(command.flags ?? [], argv, groupFlags),
    () => commandHelp(command),
  );
  if (help) {
    process.stdout.write(commandHelp(command));
    return 0;
  }
  let connected: Promise<RemoteContainerd> | undefined;
  const patience = duration(globals, "connect-timeout") || PATIENCE;
  const timeout = duration(globals, "timeout");
  const late =
    timeout > 0
      ? setTimeout(() => {
          process.stderr.write("ctr: context deadline exceeded\n");
          process.exit(1);
        }, timeout)
      : undefined;
  const services = async () => {
    const { connect } = await import("../../wire/containerd/client/connect.ts");
    connected ??= connect(globals.string("address"), { patience });
    return (await connected).services;
  };
  try {
    const code = await command.run({
      services,
      async transfer() {
        // A program of minutes beside a daemon that needs the memory: it shall hold only the code that it runs.
        dropPages();
        const { chooseTransfer } = await import("./transfer.ts");
        return chooseTransfer(await services(), makeTransfer, flags.boolean("local"));
      },
      ns: globals.string("namespace"),
      address: globals.string("address"),
      flags,
      args,
      out: (text) => process.stdout.write(text),
    });
    return code ?? 0;
  } finally {
    clearTimeout(late);
    await connected?.then((one) => one.close()).catch(() => {});
  }
}

async function dispatchGroup(name: string, group: Group, context: Context, argv: string[]): Promise<number> {
  const { flags, args, help } = parseFlags(group.flags ?? [], argv);
  const [verb, ...rest] = args;
  const command = group.commands.find((one) => verb !== undefined && one.names.includes(verb));
  if (help || verb === undefined || verb === "help" || verb === "h") {
    process.stdout.write(groupHelp(name, group));
    return 0;
  }
  if (!command) {
    process.stderr.write(`No help topic for '${verb}'\n`);
    return 3;
  }
  return invoke(command, context, rest, flags);
}

async function dispatch(argv: string[], makeTransfer: MakeTransfer): Promise<number> {
  const { flags, args, help } = parseFlags(globalFlags, argv);
  const context: Context = { globals: flags, makeTransfer };
  if (flags.boolean("version")) {
    process.stdout.write(`ctr bunker ${version} ${commit}\n`);
    return 0;
  }
  const [name, ...rest] = args;
  if (help || name === undefined || name === "help" || name === "h") {
    process.stdout.write(topHelp(globalFlags, groups, singles));
    return 0;
  }
  const single = singles.find((one) => one.names.includes(name));
  if (single) return invoke(await single.load(), context, rest);
  const group = groups.find((one) => one.names.includes(name));
  if (group) return dispatchGroup(group.names[0]!, await group.load(), context, rest);
  process.stderr.write(`No help topic for '${name}'\n`);
  return 3;
}

/** `ctr …`. Resolves to the exit code. */
export async function ctrMain(args: string[], makeTransfer: MakeTransfer): Promise<number> {
  try {
    return await dispatch(args, makeTransfer);
  } catch (error) {
    process.stderr.write(`ctr: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
